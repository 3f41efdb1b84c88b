/* Verifies the token on standard input: cc verify.c $(pkg-config --cflags --libs cardea) && ./a.out JWKS ISSUER
 * AUDIENCE < token */
#include <cardea.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
        static char token[16385];
        cardea_options options = CARDEA_OPTIONS_INIT;
        cardea_verifier *verifier;
        cardea_claims *claims;
        cardea_error error;

        if (argc != 4 || !fgets(token, sizeof(token), stdin))
                return fprintf(stderr, "usage: verify JWKS ISSUER AUDIENCE < token\n"), 2;
        options.jwks = argv[1];
        options.issuer = argv[2];
        options.audience = argv[3];
        if (cardea_verifier_new(&options, &verifier, &error) != CARDEA_OK)
                return fprintf(stderr, "%s\n", error.reason), 2;

        cardea_code code = cardea_verify(verifier, token, strcspn(token, "\n"), &claims, &error);
        if (code == CARDEA_OK) {
                printf("%s\n", cardea_claims_payload(claims, NULL));
                cardea_claims_free(claims);
        } else {
                fprintf(stderr, "%s: %s\n", cardea_code_name(code), error.reason);
        }
        cardea_verifier_free(verifier);
        return code == CARDEA_OK ? 0 : 1;
}
