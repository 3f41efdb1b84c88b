#pragma once
/* The messages of Envoy's external authorization over gRPC, envoy.service.auth.v3 (envoyproxy/envoy:
 * api/envoy/service/auth/v3/external_auth.proto, attribute_context.proto), and of grpc.health.v1: the fields that
 * Cardea reads or writes. */
#include "base/protobuf.h"

struct cd_proto_header {
        cd_str key, value; /* of the map: keys in lower case, one entry for each name */
};

struct cd_check_address {
        cd_str address; /* "192.0.2.1"; a name in socket_address is none */
};

struct cd_check_peer_address {
        const struct cd_check_address *socket_address; /* NULL: a pipe, or not known */
};

struct cd_check_peer {
        const struct cd_check_peer_address *address;
};

struct cd_check_http {
        cd_str id, method;
        struct cd_proto_list headers; /* struct cd_proto_header */
        cd_str path;                  /* as sent, with the query */
        cd_str host, scheme, protocol;
        int64_t size;
};

struct cd_check_http_request {
        const struct cd_check_http *http;
};

struct cd_check_attributes {
        const struct cd_check_peer *source;
        const struct cd_check_http_request *request;
};

struct cd_check_request {
        const struct cd_check_attributes *attributes;
};

/* google.protobuf.BoolValue: present, it says `value`, even false. */
struct cd_proto_bool {
        int64_t value;
};

struct cd_check_header_option {
        const struct cd_proto_header *header;
        const struct cd_proto_bool *append; /* Envoy before 1.29 */
        int64_t append_action;              /* since then */
};

enum {
        CD_CHECK_OVERWRITE = 2, /* HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD */
};

struct cd_check_ok {
        struct cd_proto_list headers; /* struct cd_check_header_option */
        struct cd_strs headers_to_remove;
};

struct cd_check_http_status {
        int64_t code;
};

struct cd_check_denied {
        const struct cd_check_http_status *status;
        struct cd_proto_list headers; /* struct cd_check_header_option */
        cd_str body;
};

struct cd_rpc_status {
        int64_t code;
        cd_str message;
};

struct cd_check_response {
        const struct cd_rpc_status *status;
        const struct cd_check_denied *denied; /* one of the two */
        const struct cd_check_ok *ok;
};

struct cd_health_request {
        cd_str service;
};

enum {
        CD_HEALTH_SERVING = 1,
        CD_HEALTH_NOT_SERVING = 2,
};

struct cd_health_response {
        int64_t status;
};

extern const struct cd_proto_table cd_check_request_table, cd_check_response_table, cd_health_request_table,
        cd_health_response_table;
