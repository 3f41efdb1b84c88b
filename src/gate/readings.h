#pragma once
/* What an application may take a path for that it gets as it was sent (LESSONS 2). It may decode it, once or more
 * often, read "\" as "/" and "//" as "/", drop what follows ";" in a segment, and end it at an escaped "?" or "#", in
 * any order. */
#include "core/access.h"

/* All readings in the form of canonical paths, as rules have them; the first is the path as it was sent. One with ptr
 * NULL stands for what is not known: the path is not UTF-8, or has a control character. CD_INVALID_REQUEST: the path
 * has a byte that may not be there, a bad escape, a dot segment in one of the readings, or too many of them;
 * CD_NO_MEMORY. In the arena. */
cd_status cd_gate_readings(struct cd_arena *arena, cd_str sent, struct cd_strs *ret, struct cd_error *reterr);

/* Decides about a path as it was sent, which becomes request->path. CD_INVALID_REQUEST, and *ret denies, also if the
 * rules do not decide in the same way about all readings. CD_NO_MEMORY. */
cd_status cd_gate_judge_readings(struct cd_arena *arena, const struct cd_access *access, cd_str sent,
                                 struct cd_access_request *request, struct cd_access_decision *ret,
                                 struct cd_error *reterr);
