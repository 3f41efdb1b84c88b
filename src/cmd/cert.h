#pragma once
/* Certificates as files. */
#include "base/status.h"

#define CD_CERT_FILE "cert.pem"
#define CD_KEY_FILE  "key.pem"

/* Writes DIR/cert.pem (0644) and DIR/key.pem (0600), durably. Never over what is there: CD_EXISTS, and neither is written. Other
 * failures are CD_UNAVAILABLE; reasons name the file. */
cd_status cd_cert_write(const char *dir, cd_str certificate, cd_str key, struct cd_error *reterr);
