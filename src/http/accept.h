#pragma once
/* Connections as they come: which client they come from, whether there is a slot, and which protocol they speak. */
#include "http/server_internal.h"

extern const struct cd_acceptor_events cd_http_acceptor_events;
