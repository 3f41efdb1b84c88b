#pragma once
/* What is counted of the servers behind the gate, by the URL of the server. */
#include "base/metrics.h"
#include "upstream/upstream.h"

void cd_upstream_count_answer(cd_str url);
void cd_upstream_count_failure(cd_str url, enum cd_upstream_failure failure);
void cd_upstream_count_retry(cd_str url);   /* a request is sent again */
void cd_upstream_count_connect(cd_str url); /* a connection is begun */
