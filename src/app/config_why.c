/* Why a finding about a setting matters: for operators who do not know what depends on it. */
#include "app/config.h"

#include <string.h>

/* Of the rows that the setting begins with, the longest counts. Indexes of lists are left out. */
static const struct {
        const char *setting, *why;
} reasons[] = {
        { "listen", "without an address that can be opened, nobody reaches the server" },
        { "redirect_listen", "browsers that come with http would find nothing there" },
        { "control", "cardea status and cardea reload ask the server there" },
        { "metrics", "Prometheus reads there how the server fares; who can reach the address can read it too" },
        { "tls", "clients refuse a connection whose certificate they cannot verify" },
        { "tls.client_ca", "it decides which client certificates are believed" },
        { "threads", "it bounds what the server can do at the same time" },
        { "worker_threads", "it bounds what the server can do at the same time" },
        { "outgoing_threads", "it bounds how many answers of other servers can be waited for at the same time" },
        { "drain_delay", "load balancers need it to notice that the server is about to stop" },
        { "shutdown_grace", "requests that take longer are cut off when the server stops" },
        { "trusted_proxies",
          "every address in it can say from which address a request came, by which protocol, to which host" },
        { "deny", "requests from these networks are refused, and no others" },
        { "log", "without the log nobody learns why something was refused" },
        { "limits", "it bounds what one client can take from the others" },
        { "user", "an attacker who finds a fault in a server that stays root can do anything here" },
        { "issuer", "clients compare it with \"iss\" of each token, letter by letter" },
        { "tokens", "it decides how long a stolen token can be used, and who can verify tokens" },
        { "store", "users, sessions, clients and keys are in it" },
        { "master_key", "the secrets in the store are sealed with it; with another one none of them can be read" },
        { "master_key_old", "until cardea key rotate-master is done, some secrets are sealed with it" },
        { "signing_key", "tokens that were signed with another key are rejected by everybody" },
        { "basic_tokens", "programs get tokens there for a name and a password" },
        { "password_hashing", "it decides what guessing a stolen hash costs, and how many logins fit into memory" },
        { "passwords", "it decides how easily a new password can be guessed" },
        { "lockout", "it decides how many passwords and codes a stranger can try" },
        { "audit_keep", "older events are deleted, and nobody can look them up" },
        { "accept_any_user", "anybody gets a token under any name" },
        { "scopes", "a scope that does not exist here is never granted" },
        { "clients", "a client that is not as it should be gets no tokens, or too many" },
        { "clients.secret", "who knows or guesses it gets tokens as this client" },
        { "portal", "users log in there" },
        { "portal.url",
          "cookies, redirects, the links in e-mails and the redirect URIs of providers are made from it" },
        { "portal.cookie_domain",
          "browsers keep the cookie of a login only if it is the portal's domain or one above it" },
        { "portal.factors", "it decides what somebody who knows a password needs besides" },
        { "portal.registration", "it decides who can make an account" },
        { "portal.identity", "applications read from these headers who the user is" },
        { "access", "the first rule whose host and path match decides; where none does, nobody comes in" },
        { "gate", "what no route has is not passed on" },
        { "gate.routes.upstream", "requests for this route are sent there, with the user's name" },
        { "gate.routes.tls", "somebody between here and the application could read and change what is sent" },
        { "gate.routes.identity", "the application reads from these headers who the user is" },
        { "gate.routes.pass_token", "the application gets the user's token of that provider, and nothing without it" },
        { "smtp", "invitations, links for new passwords and notices are sent by e-mail" },
        { "sentry", "without it errors and crashes are only in the log" },
        { "signin", "users log in with accounts of these providers" },
        { "signin.providers.client_id", "the provider refuses each login of a client that it does not know" },
        { "signin.providers.client_secret",
          "the provider refuses the code of each login if it is not the one that it gave" },
        { "signin.providers.issuer", "ID tokens of another issuer are refused" },
        { "signin.providers.authorization_endpoint", "browsers are sent there to log in" },
        { "signin.providers.token_endpoint", "the secret and the codes are sent there" },
        { "signin.providers.userinfo_endpoint", "its answer decides who has logged in" },
        { "signin.providers.allow", "who is not named there comes in only with an account that was linked beforehand" },
        { "outgoing", "it decides to which addresses this server connects" },
        { "relay", "codes are delivered there, each of which is good for one login" },
        { "relay.path", "the provider must send browsers to exactly this path" },
        { "relay.state", "with opaque states, strangers can send the receiver codes of their own" },
};

/* The setting without its indexes: "clients[0].secret" begins with "clients.secret". */
static bool begins_with(cd_str setting, const char *name)
{
        size_t at = 0;

        for (; *name; name++, at++) {
                while (at < setting.len && setting.ptr[at] == '[')
                        at += cd_str_index(cd_str_slice(setting, at, setting.len), ']') + 1;
                if (at >= setting.len || setting.ptr[at] != *name)
                        return false;
        }
        return at == setting.len || setting.ptr[at] == '.' || setting.ptr[at] == '[';
}

const char *cd_config_why(cd_str setting)
{
        const char *why = NULL;
        size_t longest = 0;

        for (size_t i = 0; i < CD_LEN(reasons); i++) {
                size_t length = strlen(reasons[i].setting);
                if (length > longest && begins_with(setting, reasons[i].setting)) {
                        longest = length;
                        why = reasons[i].why;
                }
        }
        return why;
}
