#pragma once
/* A TCP proxy between the driver and the server, in threads of the test, that counts and breaks what passes. */
#include <stdbool.h>

struct proxy;

struct proxy *proxy_new(void);
void proxy_free(struct proxy *proxy);
int proxy_port(const struct proxy *proxy);

/* How often a client spoke after its server had: the round trips of all connections so far. */
unsigned proxy_turns(const struct proxy *proxy);
unsigned proxy_connections(const struct proxy *proxy); /* accepted so far */

/* Nothing passes any more, or does again. Connections stay and are accepted. */
void proxy_freeze(struct proxy *proxy, bool is_frozen);
/* Ends each connection on which a client sends `text`: before the server hears it, or, where `is_heard`, once the
 * server has answered it, without a word of the answer. At most `times` times. */
void proxy_cut_at(struct proxy *proxy, const char *text, bool is_heard, unsigned times);
