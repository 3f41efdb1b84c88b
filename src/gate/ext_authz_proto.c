#include "gate/ext_authz_proto.h"

#define STRING(number_, owner, member)                                                                                 \
        {                                                                                                              \
                number_, CD_PROTO_STRING, offsetof(struct owner, member), NULL                                         \
        }
#define INT(number_, owner, member)                                                                                    \
        {                                                                                                              \
                number_, CD_PROTO_INT, offsetof(struct owner, member), NULL                                            \
        }
#define STRINGS(number_, owner, member)                                                                                \
        {                                                                                                              \
                number_, CD_PROTO_STRINGS, offsetof(struct owner, member), NULL                                        \
        }
#define MESSAGE(number_, owner, member, table_)                                                                        \
        {                                                                                                              \
                number_, CD_PROTO_MESSAGE, offsetof(struct owner, member), table_                                      \
        }
#define REPEATED(number_, owner, member, table_)                                                                       \
        {                                                                                                              \
                number_, CD_PROTO_REPEATED, offsetof(struct owner, member), table_                                     \
        }
#define TABLE(fields_, owner)                                                                                          \
        {                                                                                                              \
                fields_, CD_LEN(fields_), sizeof(struct owner)                                                         \
        }

static const struct cd_proto_field header_fields[] = {
        STRING(1, cd_proto_header, key),
        STRING(2, cd_proto_header, value),
};
static const struct cd_proto_table header_table = TABLE(header_fields, cd_proto_header);

/* ---- CheckRequest ---- */

static const struct cd_proto_field socket_address_fields[] = { STRING(2, cd_check_address, address) };
static const struct cd_proto_table socket_address_table = TABLE(socket_address_fields, cd_check_address);
static const struct cd_proto_field address_fields[] = {
        MESSAGE(1, cd_check_peer_address, socket_address, &socket_address_table),
};
static const struct cd_proto_table address_table = TABLE(address_fields, cd_check_peer_address);
static const struct cd_proto_field peer_fields[] = { MESSAGE(1, cd_check_peer, address, &address_table) };
static const struct cd_proto_table peer_table = TABLE(peer_fields, cd_check_peer);

static const struct cd_proto_field http_fields[] = {
        STRING(1, cd_check_http, id),
        STRING(2, cd_check_http, method),
        REPEATED(3, cd_check_http, headers, &header_table),
        STRING(4, cd_check_http, path),
        STRING(5, cd_check_http, host),
        STRING(6, cd_check_http, scheme),
        INT(9, cd_check_http, size),
        STRING(10, cd_check_http, protocol),
};
static const struct cd_proto_table http_table = TABLE(http_fields, cd_check_http);
static const struct cd_proto_field http_request_fields[] = { MESSAGE(2, cd_check_http_request, http, &http_table) };
static const struct cd_proto_table http_request_table = TABLE(http_request_fields, cd_check_http_request);
static const struct cd_proto_field attributes_fields[] = {
        MESSAGE(1, cd_check_attributes, source, &peer_table),
        MESSAGE(4, cd_check_attributes, request, &http_request_table),
};
static const struct cd_proto_table attributes_table = TABLE(attributes_fields, cd_check_attributes);
static const struct cd_proto_field request_fields[] = { MESSAGE(1, cd_check_request, attributes, &attributes_table) };
const struct cd_proto_table cd_check_request_table = TABLE(request_fields, cd_check_request);

/* ---- CheckResponse ---- */

static const struct cd_proto_field bool_fields[] = { INT(1, cd_proto_bool, value) };
static const struct cd_proto_table bool_table = TABLE(bool_fields, cd_proto_bool);
static const struct cd_proto_field option_fields[] = {
        MESSAGE(1, cd_check_header_option, header, &header_table),
        MESSAGE(2, cd_check_header_option, append, &bool_table),
        INT(3, cd_check_header_option, append_action),
};
static const struct cd_proto_table option_table = TABLE(option_fields, cd_check_header_option);
static const struct cd_proto_field ok_fields[] = {
        REPEATED(2, cd_check_ok, headers, &option_table),
        STRINGS(5, cd_check_ok, headers_to_remove),
};
static const struct cd_proto_table ok_table = TABLE(ok_fields, cd_check_ok);
static const struct cd_proto_field http_status_fields[] = { INT(1, cd_check_http_status, code) };
static const struct cd_proto_table http_status_table = TABLE(http_status_fields, cd_check_http_status);
static const struct cd_proto_field denied_fields[] = {
        MESSAGE(1, cd_check_denied, status, &http_status_table),
        REPEATED(2, cd_check_denied, headers, &option_table),
        STRING(3, cd_check_denied, body),
};
static const struct cd_proto_table denied_table = TABLE(denied_fields, cd_check_denied);
static const struct cd_proto_field status_fields[] = {
        INT(1, cd_rpc_status, code),
        STRING(2, cd_rpc_status, message),
};
static const struct cd_proto_table status_table = TABLE(status_fields, cd_rpc_status);
static const struct cd_proto_field response_fields[] = {
        MESSAGE(1, cd_check_response, status, &status_table),
        MESSAGE(2, cd_check_response, denied, &denied_table),
        MESSAGE(3, cd_check_response, ok, &ok_table),
};
const struct cd_proto_table cd_check_response_table = TABLE(response_fields, cd_check_response);

/* ---- grpc.health.v1 ---- */

static const struct cd_proto_field health_request_fields[] = { STRING(1, cd_health_request, service) };
const struct cd_proto_table cd_health_request_table = TABLE(health_request_fields, cd_health_request);
static const struct cd_proto_field health_response_fields[] = { INT(1, cd_health_response, status) };
const struct cd_proto_table cd_health_response_table = TABLE(health_response_fields, cd_health_response);
