#pragma once

/* Before the first use of OpenSSL: its table of 3,000 error texts is not built, which would take 0.25 MB. Only net/
 * shows such texts, and loads those that it needs. */
void cd_openssl_start(void);
