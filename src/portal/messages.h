#pragma once
/* What a page says about what was asked for, in any language. tools/compile-pages reads the list; a second text is the
 * plural, and a message has no slot but {count}. */
/* clang-format off */
#define CD_MESSAGES(X) \
        /* errors */ \
        X(WRONG_PASSWORD, "The user name or the password is wrong.") \
        X(WRONG_NAME_OR_CODE, "The user name or the code is wrong.") \
        X(WRONG_CODE, "This code is wrong or was used already. Enter the next one that your app shows.") \
        X(WRONG_RECOVERY_CODE, "This recovery code is wrong or was used already.") \
        X(WRONG_OLD_PASSWORD, "Your current password is wrong.") \
        X(TOO_MANY_ATTEMPTS, "Too many attempts. Try again in {count} minute.", \
          "Too many attempts. Try again in {count} minutes.") \
        X(TOO_MANY_ATTEMPTS_SECONDS, "Too many attempts. Try again in {count} second.", \
          "Too many attempts. Try again in {count} seconds.") \
        X(NETWORK_BUSY, "Too many requests came from your network. Try again in {count} minute.", \
          "Too many requests came from your network. Try again in {count} minutes.") \
        X(NETWORK_BUSY_SECONDS, "Too many requests came from your network. Try again in {count} second.", \
          "Too many requests came from your network. Try again in {count} seconds.") \
        X(UNAVAILABLE, "The server cannot do this at the moment. Try again later.") \
        X(FIELD_MISSING, "Fill in every field.") \
        X(FORM_INVALID, "The form could not be read. Send it again.") \
        X(FORM_EXPIRED, "This form had expired, and nothing was changed. Send it again.") \
        X(LOGIN_EXPIRED, "The login took too long. Start again.") \
        X(SESSION_EXPIRED, "Your session has ended. Log in again.") \
        X(NAME_INVALID, "A user name has letters a to z, digits and . _ - @ + only, and is not just one dot or two.") \
        X(NAME_TAKEN, "This user name is not available. Choose another one.") \
        X(DISPLAY_NAME_INVALID, "This name is too long, or has characters that cannot be shown.") \
        X(PASSWORD_TOO_SHORT, "The password needs at least {count} character.", \
          "The password needs at least {count} characters.") \
        X(PASSWORD_TOO_LONG, "The password may have {count} byte at most.", \
          "The password may have {count} bytes at most.") \
        X(PASSWORD_COMMON, "This is one of the most common passwords. Choose another one.") \
        X(INVITE_INVALID, "The invitation is not valid. It may have been used, or it has expired.") \
        X(REGISTRATION_CLOSED, "Nobody can register here. Ask the operator for an account.") \
        X(REGISTRATION_EXPIRED, "The registration took too long, and there is no account yet. Start again.") \
        X(ENROLMENT_EXPIRED, "This took too long. Scan the new code below.") \
        X(LINK_INVALID, "This link is not valid. It may have been used, or it has expired.") \
        X(TOKEN_DAYS_INVALID, "A token is valid for a whole number of days, at most {count}.", \
          "A token is valid for a whole number of days, at most {count}.") \
        X(TOKEN_HOSTS_INVALID, "Write at most {count} host without a port, as in wiki.example.com or *.example.com.", \
          "Write at most {count} hosts without a port, as in wiki.example.com or *.example.com.") \
        X(TOKEN_PATHS_INVALID, "Write at most {count} path, as in /status or /api/.", \
          "Write at most {count} paths, as in /status or /api/.") \
        X(TOKEN_METHODS_INVALID, "Write at most {count} method, as in GET or POST.", \
          "Write at most {count} methods, as in GET or POST.") \
        X(TOKEN_NETWORKS_INVALID, "Write at most {count} network, as in 192.0.2.7 or 10.0.0.0/8.", \
          "Write at most {count} networks, as in 192.0.2.7 or 10.0.0.0/8.") \
        X(TOO_MANY_TOKENS, "There can be {count} token, and no more. Revoke one first.", \
          "There can be {count} tokens, and no more. Revoke one first.") \
        X(LAST_ACCOUNT, "You have no other way to log in, so this account stays connected. Connect another one " \
          "first, or ask the operator for a password.") \
        X(NOT_FOUND, "There is no such page.") \
        X(FOREIGN_ORIGIN, "The form was sent from another site, so it was refused.") \
        X(INTERNAL, "Something went wrong on the server.") \
        /* why a login at another provider has failed (enum cd_signin_failure) */ \
        X(SIGNIN_DENIED, "You or the provider refused this login. Try again and agree there, or log in another way.") \
        X(SIGNIN_NO_STATE, "This login was not begun in this browser, or the browser keeps no cookies. Allow cookies " \
          "for this site, then begin again here.") \
        X(SIGNIN_EXPIRED, "This login took too long and has expired. Begin again.") \
        X(SIGNIN_USED, "This login was completed already, perhaps in another tab. Continue there, or begin again.") \
        X(SIGNIN_MALFORMED, "The answer that came back from the provider is not valid, so nobody was logged in. " \
          "Begin again. If it happens again, tell the operator.") \
        X(SIGNIN_NOT_ALLOWED, "This account may not log in here. Use another account, or ask the operator to allow " \
          "this one.") \
        X(SIGNIN_NOT_LINKED, "No user here is connected with this account. Log in another way, then connect it on " \
          "the page of your account.") \
        X(SIGNIN_NAME_TAKEN, "The user that would be made for this account has the name of another user here. If " \
          "that is you, log in another way and connect the account; otherwise ask the operator.") \
        X(SIGNIN_DISABLED, "Your user is disabled here. Ask the operator why.") \
        X(SIGNIN_LINKED_ELSEWHERE, "This account is connected with another user here. Connect another account, or " \
          "log in as that user and disconnect it first.") \
        X(SIGNIN_TOO_MANY, "You have connected as many accounts as you can have. Disconnect one first.") \
        X(SIGNIN_WRONG_USER, "You are not logged in any more as the user who asked to connect the account. " \
          "Nothing was changed. Log in and connect it again.") \
        X(SIGNIN_PROVIDER_DOWN, "The provider does not answer at the moment. Try again in a few minutes, or log in " \
          "another way.") \
        X(SIGNIN_PROVIDER_ERROR, "The provider gave an answer that cannot be used, so nobody was logged in. Tell the " \
          "operator, who finds the reason in the log by the number of the request.") \
        X(SIGNIN_BUSY, "Too many users are logging in with this provider just now. Try again in a few seconds.") \
        /* notices */ \
        X(LOGGED_OUT, "You are logged out.") \
        X(PASSWORD_CHANGED, "Your password is changed.") \
        X(FACTOR_REPLACED, "Your authenticator is replaced.") \
        X(SESSION_ENDED, "The session is ended.") \
        X(SESSIONS_ENDED, "All your other sessions are ended.") \
        X(ALL_SESSIONS_ENDED, "All your sessions are ended.") \
        X(TOKEN_REVOKED, "The token is revoked.") \
        X(CONFIRMED, "Thank you. You can make new recovery codes now.") \
        X(CONFIRMED_ACCOUNTS, "Thank you. You can connect and disconnect accounts now.") \
        X(ACCOUNT_CONNECTED, "The account is connected. You can log in with it now.") \
        X(ACCOUNT_DISCONNECTED, "The account is disconnected.") \
        X(RESET_SENT, "If this account has a verified e-mail address, a link is on its way, valid for 30 minutes.") \
        X(LOG_IN_AGAIN, "It has been a while since you logged in. Confirm that it is you.") \
        X(MORE_FACTORS, "This page needs a second factor.") \
        X(RECOVERED, "A recovery code was used. Set up your authenticator anew.") \
        /* why a cookie was not kept */ \
        X(COOKIE_MISSING, "The browser did not send it. It may block cookies, or delete them at once.") \
        X(COOKIE_INSECURE, "This page was opened over http, and browsers keep the cookie for https only.") \
        X(COOKIE_OTHER_HOST, "The address of this page is not within the domain that the cookie is for.") \
        /* instead of an application behind the gate: the heading, and what it means */ \
        X(GATE_LOST_POST, "Log in, then send it again") \
        X(GATE_LOST_POST_WHY, "You are not logged in, so what you sent did not reach the application. Log in in a " \
          "new tab, then come back to this one and reload it: the browser offers to send it again.") \
        X(GATE_CROSS_SITE_POST, "Sent from another site") \
        X(GATE_CROSS_SITE_POST_WHY, "Another site sent you here with a form, and browsers send it without your " \
          "login. It did not reach the application. Open the application, and do there what you wanted to do.") \
        X(GATE_FORBIDDEN, "No access") \
        X(GATE_FORBIDDEN_WHY, "The rules of this application do not allow this request.") \
        X(GATE_NOT_FOUND, "Nothing here") \
        X(GATE_NOT_FOUND_WHY, "There is no application at this address.") \
        X(GATE_TOO_LARGE, "Too large") \
        X(GATE_TOO_LARGE_WHY, "What you sent is larger than this application accepts.") \
        X(GATE_TOO_MANY, "Too many requests") \
        X(GATE_TOO_MANY_WHY, "This application accepts no more requests from you at the moment. " \
          "Try again in a minute.") \
        X(GATE_BAD_GATEWAY, "The application cannot be reached") \
        X(GATE_BAD_GATEWAY_WHY, "It does not run, or its answer was not complete. Its operator finds the reason in " \
          "the log by the number of the request.") \
        X(GATE_UNAVAILABLE, "The application is busy") \
        X(GATE_UNAVAILABLE_WHY, "It has as many requests as it can work on. Try again in a moment.") \
        X(GATE_TIMEOUT, "The application took too long") \
        X(GATE_TIMEOUT_WHY, "It did not answer in time. If you sent something, check whether it arrived before you " \
          "send it again.") \
        X(GATE_MAINTENANCE, "Under maintenance") \
        X(GATE_MAINTENANCE_WHY, "The application is not available while it is worked on.") \
        X(GATE_CONNECT, "Connect an account") \
        X(GATE_CONNECT_WHY, "The application works with your account at another provider, which you have not " \
          "connected yet, or which no longer gives access. Connect it on your account page, or log in with it.") \
        X(GATE_PROVIDER, "The provider does not answer") \
        X(GATE_PROVIDER_WHY, "The application works with your account at another provider, and its answer is needed " \
          "first. Try again in a moment.") \
        /* what the relay has done: the heading, and what it means */ \
        X(RELAY_SUCCEEDED, "Done") \
        X(RELAY_SUCCEEDED_WHY, "You can close this page.") \
        X(RELAY_REFUSED, "That did not work") \
        X(RELAY_REFUSED_WHY, "The program that you wanted to log in to has refused it.") \
        X(RELAY_TEXT, "The answer") \
        X(RELAY_TEXT_WHY, "The program that you wanted to log in to says this:") \
        X(RELAY_WAITING, "Please wait") \
        X(RELAY_WAITING_WHY, "The program has not answered yet. This page asks again by itself, and you can come " \
          "back to it later.") \
        X(RELAY_UNREACHABLE, "The program is not there") \
        X(RELAY_UNREACHABLE_WHY, "It does not run at the moment, and nothing was sent to it. Try again in a minute.") \
        X(RELAY_BUSY, "Too many at once") \
        X(RELAY_BUSY_WHY, "The server has as many logins to pass on as it can work on. Try again in a moment.") \
        X(RELAY_EXPIRED, "The program was not there") \
        X(RELAY_EXPIRED_WHY, "It did not run for too long, and nothing was sent to it. Start again where you began.") \
        X(RELAY_LOST, "No answer") \
        X(RELAY_LOST_WHY, "The program has received your login, but gave no answer that can be shown. If it did " \
          "not work, start again where you began.") \
        X(RELAY_INVALID, "Not a login") \
        X(RELAY_INVALID_WHY, "This address is for the way back from a login, and what is needed for that is missing " \
          "or wrong. Start again where you began.") \
        X(RELAY_LINK_INVALID, "This link is not valid") \
        X(RELAY_LINK_INVALID_WHY, "It may have been used, or it has expired. Ask for a new one where you got it.") \
        X(RELAY_UNKNOWN, "Nothing to show") \
        X(RELAY_UNKNOWN_WHY, "This login is not known, or it was too long ago. Start again where you began.") \
        X(RELAY_FAILED, "Not possible at the moment") \
        X(RELAY_FAILED_WHY, "Something went wrong on the server, and nothing was sent to the program. Try again in " \
          "a minute.")

enum cd_message {
        CD_MESSAGE_NONE,
#define CD_MESSAGE_ID(name, ...) CD_MESSAGE_##name,
        CD_MESSAGES(CD_MESSAGE_ID)
#undef CD_MESSAGE_ID
        CD_MESSAGE_END,
};
/* clang-format on */
