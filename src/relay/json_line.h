#pragma once
/* A delivery and its answer as one line of JSON each. */
#include "relay/message.h"

/* Appends {"state":…,"code":…} and a line feed. */
void cd_json_line_write(const struct cd_relay_delivery *delivery, struct cd_buf *buf);
/* Reads an object with "success" and "message", with or without a line feed. See cd_relay_read_answer. */
cd_status cd_json_line_read(struct cd_arena *arena, cd_str line, struct cd_relay_answer *ret, struct cd_error *reterr);
