#include "portal/instance.h"

#include "base/base64.h"
#include "base/secret.h"
#include "http/response.h"
#include "portal/visit.h"

struct cd_mac *cd_instance_mac_new(const struct cd_master_key *master)
{
        return cd_master_key_mac(master, CD_STR("instance"));
}

cd_status cd_instance_sign(struct cd_mac *mac, bool is_answer, cd_str nonce, char ret[CD_INSTANCE_PROOF_TEXT])
{
        unsigned char sum[CD_MAC_SIZE];
        char message[8 + CD_INSTANCE_NONCE_TEXT] = { 0 };

        if (nonce.len != CD_INSTANCE_NONCE_TEXT)
                return CD_INVALID_REQUEST;
        memcpy(message, is_answer ? "answer: " : "ask:    ", 8);
        memcpy(message + 8, nonce.ptr, nonce.len);
        cd_status status = cd_mac_sum(mac, cd_str_of(message, sizeof(message)), sum);
        if (status == CD_OK)
                cd_base64url_encode(ret, cd_str_of((const char *)sum, sizeof(sum)));
        return status;
}

void cd_portal_instance(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        char proof[CD_INSTANCE_PROOF_TEXT], answer[CD_INSTANCE_PROOF_TEXT];
        struct cd_visit visit;

        if (!cd_visit_open(app, req, res, &visit))
                return;
        struct cd_mac *mac = visit.portal->services.instance;
        cd_str nonce = cd_visit_parameter(&visit, CD_STR("nonce"));
        bool is_asked = cd_instance_sign(mac, false, nonce, proof) == CD_OK &&
                        cd_secret_eq(cd_str_of(proof, sizeof(proof)), cd_visit_parameter(&visit, CD_STR("proof")));
        if (!is_asked || cd_instance_sign(mac, true, nonce, answer) != CD_OK)
                return cd_http_own_answer(res, 404); /* as for a path that no route has */
        cd_http_respond(res, 200, CD_STR("text/plain"), cd_arena_copy(req->arena, cd_str_of(answer, sizeof(answer))));
}
