#pragma once
/* Which parameters, members and headers have secrets as their values, by their names. */
#include "base/str.h"

bool cd_redact_is_name(cd_str name);
/* Also "code[]" and "login[code]", as PHP and Rails name parameters. */
bool cd_redact_is_parameter(cd_str name);
/* "X-Auth-Key": each word counts. */
bool cd_redact_is_header(cd_str name);
/* What a token answer may say besides secrets (RFC 6749 §5, RFC 8628 §3.2, GitHub). */
bool cd_redact_is_harmless(cd_str name);
