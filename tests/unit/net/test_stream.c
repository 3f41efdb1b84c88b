#include "support/check.h"
#include "support/no_memory.h"

#include <stdlib.h>
#include <string.h>

#include "net/loopback.h"

enum {
        START_MS = 1000 * 1000,
        LINGER_MS = 2000,
        LINGER_BYTES = 16 * 1024 * 1024,
        WRITE_TIMEOUT_MS = 5000,
};

static struct cd_loop loop;
static uint64_t now;
static char order[64]; /* which stream had its output flushed, or its event */

static uint64_t fixed_clock(const struct cd_loop *of)
{
        (void)of;
        return now;
}

/* An owner that writes down what it is told, and the other side of its stream. */
struct owner {
        struct cd_loopback wire;
        char events[64]; /* o b e d x s E */
        char name;
        bool busy; /* in a call to the stream */
        char input[256];
        size_t input_len;
        void (*on_drained)(struct owner *owner);
        void (*on_bytes)(struct owner *owner);
};

static void note(struct cd_stream *stream, char event)
{
        struct owner *owner = stream->owner;
        size_t len = strlen(owner->events);

        assert_true(len + 1 < sizeof(owner->events));
        assert_null(strchr(owner->events, 'E')); /* the last event */
        owner->events[len] = event;
        owner->events[len + 1] = '\0';
}

static void on_opened(struct cd_stream *stream)
{
        note(stream, 'o');
}

static void on_bytes(struct cd_stream *stream, char *data, size_t len)
{
        struct owner *owner = stream->owner;

        note(stream, len ? 'b' : 'e');
        if (len && owner->input_len + len <= sizeof(owner->input)) {
                memcpy(owner->input + owner->input_len, data, len);
                owner->input_len += len;
        }
        if (owner->on_bytes)
                owner->on_bytes(owner);
}

static void on_drained(struct cd_stream *stream)
{
        struct owner *owner = stream->owner;

        assert_false(owner->busy);
        assert_int_equal(cd_stream_queued(stream), 0);
        note(stream, 'd');
        strncat(order, &owner->name, 1);
        if (owner->on_drained)
                owner->on_drained(owner);
}

static void on_expired(struct cd_stream *stream)
{
        note(stream, 'x');
}

static void on_stopping(struct cd_stream *stream)
{
        note(stream, 's');
}

static void on_ended(struct cd_stream *stream)
{
        const struct owner *owner = stream->owner;

        assert_false(owner->busy);
        note(stream, 'E');
}

static const struct cd_stream_events events = {
        .opened = on_opened,
        .bytes = on_bytes,
        .drained = on_drained,
        .expired = on_expired,
        .stopping = on_stopping,
        .ended = on_ended,
};

static void open_stream(struct owner *owner, size_t window)
{
        *owner = (struct owner){ .name = '?' };
        assert_true(cd_loopback_init(&owner->wire, &loop, window));
        owner->wire.stream->events = &events;
        owner->wire.stream->owner = owner;
        cd_stream_read(owner->wire.stream, true);
}

/* Whatever the owner calls, `ended` and `drained` come later. */
#define CALL(owner, call)                                                                                              \
        do {                                                                                                           \
                (owner)->busy = true;                                                                                  \
                call;                                                                                                  \
                (owner)->busy = false;                                                                                 \
        } while (0)

static void write_text(struct owner *owner, cd_str text)
{
        CALL(owner, cd_buf_add(cd_stream_out(owner->wire.stream), text));
}

/* A close is told in the turn after it. */
static void turn(void)
{
        cd_loop_turn(&loop);
        cd_loop_turn(&loop);
}

static void pass(uint64_t ms)
{
        now += ms;
        turn();
}

static cd_str taken(struct owner *owner, size_t max)
{
        static char text[4096];
        size_t len = cd_loopback_take(&owner->wire, text, max < sizeof(text) ? max : sizeof(text));

        return cd_str_of(text, len);
}

static void done(struct owner *owner)
{
        if (owner->wire.stream)
                CALL(owner, cd_stream_close(owner->wire.stream));
        turn();
        assert_null(owner->wire.stream);
        assert_non_null(strchr(owner->events, 'E'));
        cd_loopback_done(&owner->wire);
}

static int set_up(void **state)
{
        (void)state;
        now = START_MS;
        order[0] = '\0';
        if (cd_loop_init(&loop, NULL, NULL, NULL) != CD_OK)
                return 1;
        loop.clock = fixed_clock;
        loop.write_timeout_ms = WRITE_TIMEOUT_MS;
        cd_wheel_init(&loop.wheel, now);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_loop_done(&loop);
        return loop.stream_count ? 1 : 0;
}

/* ---- output ---- */

static void output_goes_out_at_the_end_of_the_turn(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        write_text(&o, CD_STR("one"));
        write_text(&o, CD_STR("two"));
        assert_int_equal(cd_stream_queued(o.wire.stream), 6);
        assert_int_equal(o.wire.sent.len, 0);
        turn();
        assert_str(taken(&o, 100), "onetwo");
        assert_string_equal(o.events, "d");
        turn();
        assert_string_equal(o.events, "d"); /* once for what was written */
        done(&o);
}

static void a_flush_hands_over_at_once_and_tells_later(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        write_text(&o, CD_STR("one"));
        CALL(&o, cd_stream_flush(o.wire.stream));
        assert_str(taken(&o, 100), "one");
        assert_string_equal(o.events, "");
        turn();
        assert_string_equal(o.events, "d");
        done(&o);
}

static void a_slow_reader_gets_all_in_order_and_only_then_it_is_drained(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 4);
        write_text(&o, CD_STR("0123456789"));
        turn();
        assert_int_equal(cd_stream_queued(o.wire.stream), 6);
        write_text(&o, CD_STR("abc"));
        turn();
        assert_int_equal(cd_stream_queued(o.wire.stream), 9); /* after what waits */
        assert_string_equal(o.events, "");
        assert_str(taken(&o, 4), "0123");
        assert_str(taken(&o, 4), "4567");
        assert_string_equal(o.events, "");
        assert_str(taken(&o, 4), "89ab");
        turn();
        assert_string_equal(o.events, "d");
        assert_str(taken(&o, 4), "c");
        assert_int_equal(cd_stream_queued(o.wire.stream), 0);
        done(&o);
}

static void write_again(struct owner *owner)
{
        owner->on_drained = NULL;
        cd_buf_add(cd_stream_out(owner->wire.stream), CD_STR("more"));
}

static void what_is_written_in_drained_goes_out_too(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        o.on_drained = write_again;
        write_text(&o, CD_STR("one "));
        cd_loop_turn(&loop);
        cd_loop_turn(&loop);
        assert_str(taken(&o, 100), "one more");
        assert_string_equal(o.events, "dd");
        done(&o);
}

static void write_for_ever(struct owner *owner)
{
        cd_buf_add(cd_stream_out(owner->wire.stream), CD_STR("x"));
}

static void a_stream_that_always_has_more_holds_up_no_other(void **state)
{
        struct owner greedy, other;

        (void)state;
        open_stream(&greedy, 100);
        open_stream(&other, 100);
        greedy.on_drained = write_for_ever;
        write_text(&greedy, CD_STR("x"));
        write_text(&other, CD_STR("y"));
        cd_loop_flush(&loop);
        assert_string_equal(greedy.events, "d");
        assert_string_equal(other.events, "d");
        assert_true(uv_is_active((uv_handle_t *)&loop.again)); /* the next turn does not wait */
        greedy.on_drained = NULL;
        done(&greedy);
        done(&other);
}

static void streams_are_flushed_in_the_order_in_which_they_wrote(void **state)
{
        struct owner o[4];

        (void)state;
        for (size_t i = 0; i < CD_LEN(o); i++) {
                open_stream(&o[i], 100);
                o[i].name = (char)('0' + i);
        }
        write_text(&o[2], CD_STR("c"));
        write_text(&o[0], CD_STR("a"));
        write_text(&o[3], CD_STR("d"));
        write_text(&o[2], CD_STR("c"));
        write_text(&o[1], CD_STR("b"));
        assert_int_equal(loop.flush_count, 4);
        turn();
        assert_string_equal(order, "2031");
        assert_int_equal(loop.flush_count, 0);
        for (size_t i = 0; i < CD_LEN(o); i++)
                done(&o[i]);
}

/* One more would wait for as many as have come: a client that waits for many answers wakes up once. */
static void many_that_wait_are_flushed_together_within_a_turn(void **state)
{
        struct owner o[CD_FLUSH_BATCH + 1];

        (void)state;
        for (size_t i = 0; i < CD_LEN(o); i++)
                open_stream(&o[i], 100);
        for (size_t i = 0; i + 2 < CD_LEN(o); i++)
                write_text(&o[i], CD_STR("a"));
        assert_true(cd_loopback_feed(&o[8].wire, CD_STR("x")));
        assert_int_equal(o[0].wire.sent.len, 0);
        write_text(&o[7], CD_STR("a"));
        assert_true(cd_loopback_feed(&o[8].wire, CD_STR("x")));
        for (size_t i = 0; i + 1 < CD_LEN(o); i++)
                assert_int_equal(o[i].wire.sent.len, 1);
        assert_int_equal(loop.flush_count, 0);
        for (size_t i = 0; i < CD_LEN(o); i++)
                done(&o[i]);
}

static void write_one(struct owner *owner)
{
        write_text(owner, CD_STR("a"));
}

/* A full read is followed by more in the same turn, and output buffers stay as small as what is made of one read. */
static void what_is_made_of_a_full_read_goes_out_at_once(void **state)
{
        static char input[CD_INPUT_SIZE];
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        o.on_bytes = write_one;
        assert_true(cd_loopback_feed(&o.wire, cd_str_of(input, CD_INPUT_SIZE - 1)));
        assert_int_equal(o.wire.sent.len, 0);
        assert_true(cd_loopback_feed(&o.wire, cd_str_of(input, CD_INPUT_SIZE)));
        assert_int_equal(o.wire.sent.len, 2);
        done(&o);
}

static char many[40 * 1024];

static void send_many(struct owner *owner)
{
        for (size_t i = 0; i < sizeof(many); i++)
                many[i] = (char)('a' + i % 26);
        CALL(owner, cd_stream_send(owner->wire.stream, cd_str_of(many, sizeof(many))));
}

/* Of all that the stream sent: "one", the many bytes, and "two". */
static void assert_all_came(struct owner *o)
{
        static char text[sizeof(many) + 7];
        size_t len = 0, got;

        while ((got = cd_loopback_take(&o->wire, text + len, sizeof(text) - len)) > 0)
                len += got;
        assert_int_equal(len, sizeof(many) + 6);
        assert_memory_equal(text, "one", 3);
        assert_memory_equal(text + 3, many, sizeof(many));
        assert_memory_equal(text + 3 + sizeof(many), "two", 3);
}

static void many_bytes_are_sent_at_once_after_the_output_before_them(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 2 * sizeof(many));
        write_text(&o, CD_STR("one"));
        send_many(&o);
        assert_int_equal(o.wire.sent.len, 3 + sizeof(many));
        assert_int_equal(cd_stream_queued(o.wire.stream), 0);
        assert_string_equal(o.events, "");
        CALL(&o, cd_stream_send(o.wire.stream, CD_STR("two"))); /* few wait for what follows */
        assert_int_equal(cd_stream_queued(o.wire.stream), 3);
        turn();
        assert_string_equal(o.events, "d");
        assert_all_came(&o);
        done(&o);
}

static void of_many_bytes_what_is_not_accepted_waits_in_its_order(void **state)
{
        static const size_t windows[] = { 1, 2, 3, 4, 1000, sizeof(many), sizeof(many) + 3 };

        (void)state;
        for (size_t i = 0; i < CD_LEN(windows); i++) {
                struct owner o;
                open_stream(&o, windows[i]);
                write_text(&o, CD_STR("one"));
                send_many(&o);
                memset(many, '?', sizeof(many)); /* the stream has a copy */
                assert_int_equal(o.wire.sent.len, windows[i]);
                assert_int_equal(cd_stream_queued(o.wire.stream), 3 + sizeof(many) - windows[i]);
                CALL(&o, cd_stream_send(o.wire.stream, CD_STR("two")));
                turn();
                for (size_t at = 0; at < sizeof(many); at++)
                        many[at] = (char)('a' + at % 26);
                o.wire.window = 2 * sizeof(many);
                assert_string_equal(o.events, "");
                assert_all_came(&o);
                done(&o);
        }
}

static void many_bytes_wait_behind_those_that_wait_already(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 2);
        write_text(&o, CD_STR("one"));
        turn();
        o.wire.window = 2 * sizeof(many);
        send_many(&o);
        assert_int_equal(o.wire.sent.len, 2);
        assert_int_equal(cd_stream_queued(o.wire.stream), 1 + sizeof(many));
        write_text(&o, CD_STR("two"));
        assert_all_came(&o);
        done(&o);
}

static void many_bytes_after_output_that_failed_reset_the_stream(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 2 * sizeof(many));
        CALL(&o, cd_stream_out(o.wire.stream)->failed = true);
        send_many(&o);
        assert_int_equal(o.wire.sent.len, 0);
        assert_true(o.wire.is_reset);
        send_many(&o); /* nobody gets them */
        turn();
        assert_string_equal(o.events, "E");
        assert_int_equal(o.wire.sent.len, 0);
        done(&o);
}

struct done_job {
        struct cd_job job;
        struct owner *owner;
        size_t sent_before; /* of the first stream, when this job came back */
};

static struct done_job done_jobs[CD_FLUSH_BATCH + 1];

static void on_done(struct cd_job *job)
{
        struct done_job *it = (void *)((char *)job - offsetof(struct done_job, job));

        it->sent_before = done_jobs[0].owner->wire.sent.len;
        write_text(it->owner, CD_STR("a"));
}

/* Likewise where the answers come from the threads of a pool. */
static void jobs_that_are_back_are_flushed_together_within_a_turn(void **state)
{
        struct owner o[CD_FLUSH_BATCH + 1];

        (void)state;
        for (size_t i = 0; i < CD_LEN(o); i++) {
                open_stream(&o[i], 100);
                done_jobs[i] = (struct done_job){ .job = { .loop = &loop, .done = on_done }, .owner = &o[i] };
                loop.job_count++;
                cd_loop_finish_job(&done_jobs[i].job);
        }
        turn();
        assert_int_equal(loop.job_count, 0);
        for (size_t i = 0; i < CD_LEN(o); i++) {
                assert_int_equal(done_jobs[i].sent_before, i < CD_FLUSH_BATCH ? 0 : 1);
                assert_int_equal(o[i].wire.sent.len, 1);
                done(&o[i]);
        }
}

/* One of those that wait goes: the first, one between, the last. */
static void a_stream_that_goes_leaves_the_others_in_their_order(void **state)
{
        (void)state;
        for (size_t goes = 0; goes < 3; goes++) {
                struct owner o[4];
                for (size_t i = 0; i < CD_LEN(o); i++)
                        open_stream(&o[i], 100);
                for (size_t i = 0; i < 3; i++)
                        write_text(&o[i], CD_STR("a"));
                CALL(&o[goes], cd_stream_close(o[goes].wire.stream));
                uv_check_t *check = &loop.after_poll;
                uv_check_cb flush = check->check_cb;
                uv_check_stop(check);
                uv_run(&loop.uv, UV_RUN_NOWAIT); /* the close alone: nothing is flushed before it */
                uv_check_start(check, flush);
                assert_null(o[goes].wire.stream);
                assert_int_equal(loop.flush_count, 2);
                write_text(&o[3], CD_STR("a"));
                turn();
                for (size_t i = 0; i < CD_LEN(o); i++) {
                        assert_int_equal(o[i].wire.sent.len, i == goes ? 0 : 1);
                        done(&o[i]);
                }
                assert_int_equal(loop.flush_count, 0);
        }
}

static void a_closed_stream_swallows_what_is_written(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        CALL(&o, cd_stream_close(o.wire.stream));
        write_text(&o, CD_STR("lost"));
        assert_true(cd_stream_out(o.wire.stream)->failed);
        CALL(&o, cd_stream_flush(o.wire.stream));
        CALL(&o, cd_stream_end(o.wire.stream, true));
        CALL(&o, cd_stream_reset(o.wire.stream));
        CALL(&o, cd_stream_expire_in(o.wire.stream, 0));
        CALL(&o, cd_stream_read(o.wire.stream, true));
        assert_false(cd_stream_has_input(o.wire.stream));
        pass(10);
        assert_string_equal(o.events, "E");
        assert_int_equal(o.wire.sent.len, 0);
        assert_false(o.wire.is_reset);
        done(&o);
}

static void output_that_failed_resets_the_stream(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        CALL(&o, cd_stream_out(o.wire.stream)->failed = true);
        turn();
        assert_true(o.wire.is_reset); /* a close would look like the end of what lacks bytes */
        assert_string_equal(o.events, "E");
        done(&o);
}

/* ---- input ---- */

static void input_comes_only_where_it_is_wanted_and_is_wiped(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        assert_true(cd_loopback_feed(&o.wire, CD_STR("secret")));
        assert_memory_equal(o.input, "secret", 6);
        assert_memory_equal(loop.input, "\0\0\0\0\0\0", 6);
        CALL(&o, cd_stream_read(o.wire.stream, false));
        assert_false(cd_loopback_feed(&o.wire, CD_STR("x")));
        CALL(&o, cd_stream_read(o.wire.stream, true));
        assert_true(cd_loopback_feed(&o.wire, CD_STR("x")));
        assert_string_equal(o.events, "bb");
        done(&o);
}

static void the_end_of_input_leaves_output_open(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        cd_loopback_feed_end(&o.wire, false);
        cd_loopback_feed_end(&o.wire, false);
        assert_string_equal(o.events, "e");
        CALL(&o, cd_stream_read(o.wire.stream, true));
        assert_false(o.wire.wants_input); /* nothing can come */
        write_text(&o, CD_STR("answer"));
        turn();
        assert_str(taken(&o, 100), "answer");
        CALL(&o, cd_stream_end(o.wire.stream, true));
        turn(); /* no lingering: the other side has said its last */
        assert_string_equal(o.events, "edE");
        done(&o);
}

static void a_broken_connection_ends_at_once(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 4);
        write_text(&o, CD_STR("0123456789"));
        turn();
        cd_loopback_feed_end(&o.wire, true);
        assert_true(o.wire.is_closed);
        turn();
        assert_string_equal(o.events, "E");
        done(&o);
}

/* ---- the end ---- */

static void an_end_sends_what_is_left_and_a_close_does_not(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 4);
        write_text(&o, CD_STR("0123456789"));
        CALL(&o, cd_stream_end(o.wire.stream, false));
        assert_false(o.wire.wants_input);
        turn();
        assert_str(taken(&o, 4), "0123");
        turn();
        assert_false(o.wire.is_closed);
        assert_str(taken(&o, 4), "4567");
        assert_true(o.wire.is_closed); /* all of it is with the kernel */
        assert_str(taken(&o, 4), "89");
        turn();
        assert_false(o.wire.is_reset);
        assert_string_equal(o.events, "E");
        done(&o);

        open_stream(&o, 4);
        write_text(&o, CD_STR("0123456789"));
        turn();
        CALL(&o, cd_stream_close(o.wire.stream));
        assert_true(o.wire.is_closed);
        turn();
        assert_string_equal(o.events, "E");
        assert_false(o.wire.is_reset);
        done(&o);
}

static void a_reset_is_one(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        write_text(&o, CD_STR("x"));
        CALL(&o, cd_stream_reset(o.wire.stream));
        CALL(&o, cd_stream_reset(o.wire.stream));
        CALL(&o, cd_stream_close(o.wire.stream));
        turn();
        assert_true(o.wire.is_reset);
        assert_int_equal(o.wire.sent.len, 0);
        assert_string_equal(o.events, "E");
        done(&o);
}

static void an_end_without_output_comes_too(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        CALL(&o, cd_stream_end(o.wire.stream, false));
        assert_false(o.wire.is_closed);
        turn();
        assert_string_equal(o.events, "E");
        done(&o);
}

static void of_two_ends_the_first_counts(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        CALL(&o, cd_stream_end(o.wire.stream, true));
        CALL(&o, cd_stream_end(o.wire.stream, false));
        turn();
        assert_true(o.wire.is_shut);
        assert_false(o.wire.is_closed); /* it lingers */
        done(&o);
}

static void close_it(struct owner *owner)
{
        cd_stream_close(owner->wire.stream);
}

static void an_owner_may_close_from_within_an_event(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        o.on_bytes = close_it;
        assert_true(cd_loopback_feed(&o.wire, CD_STR("x")));
        assert_string_equal(o.events, "b");
        turn();
        assert_string_equal(o.events, "bE");
        done(&o);
        open_stream(&o, 100);
        o.on_drained = close_it;
        write_text(&o, CD_STR("x"));
        turn();
        assert_string_equal(o.events, "dE");
        done(&o);
}

static void half_closed_it_reads_on(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 4);
        write_text(&o, CD_STR("01234567"));
        CALL(&o, cd_stream_shut(o.wire.stream));
        turn();
        assert_false(o.wire.is_shut); /* its output is not out */
        assert_str(taken(&o, 4), "0123");
        turn();
        assert_true(o.wire.is_shut);
        assert_true(cd_loopback_feed(&o.wire, CD_STR("x")));
        assert_string_equal(o.events, "db");
        done(&o);
}

/* ---- lingering ---- */

static void begin_lingering(struct owner *o)
{
        open_stream(o, 100);
        write_text(o, CD_STR("last words"));
        CALL(o, cd_stream_end(o->wire.stream, true));
        turn();
        assert_str(taken(o, 100), "last words");
        assert_true(o->wire.is_shut);
        assert_true(o->wire.wants_input);
        assert_false(o->wire.is_closed);
}

static void lingering_ends_when_the_other_side_ends(void **state)
{
        struct owner o;

        (void)state;
        begin_lingering(&o);
        assert_true(cd_loopback_feed(&o.wire, CD_STR("thrown away")));
        cd_loopback_feed_end(&o.wire, false);
        turn();
        assert_string_equal(o.events, "E");
        assert_false(o.wire.is_reset);
        done(&o);
}

static void lingering_ends_with_its_time(void **state)
{
        struct owner o;

        (void)state;
        begin_lingering(&o);
        pass(LINGER_MS);
        assert_false(o.wire.is_closed);
        assert_true(cd_loopback_feed(&o.wire, CD_STR("no new time for more bytes")));
        pass(1);
        assert_true(o.wire.is_closed);
        assert_string_equal(o.events, "E");
        done(&o);
}

static void lingering_ends_with_its_bytes(void **state)
{
        static char megabyte[1024 * 1024];
        struct owner o;

        (void)state;
        begin_lingering(&o);
        for (size_t i = 0; i < LINGER_BYTES / sizeof(megabyte); i++)
                assert_true(cd_loopback_feed(&o.wire, cd_str_of(megabyte, sizeof(megabyte))));
        assert_false(o.wire.is_closed);
        cd_loopback_feed(&o.wire, CD_STR("x"));
        assert_true(o.wire.is_closed);
        done(&o);
}

/* ---- deadlines ---- */

static void the_deadline_of_the_owner_is_one(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 100);
        CALL(&o, cd_stream_expire_in(o.wire.stream, 100));
        CALL(&o, cd_stream_expire_in(o.wire.stream, 300));
        pass(300);
        assert_string_equal(o.events, "");
        pass(1);
        assert_string_equal(o.events, "x");
        CALL(&o, cd_stream_expire_in(o.wire.stream, 100));
        CALL(&o, cd_stream_expire_never(o.wire.stream));
        pass(1000);
        CALL(&o, cd_stream_expire_in(o.wire.stream, 100));
        CALL(&o, cd_stream_end(o.wire.stream, true)); /* no event any more but the last */
        pass(1000);
        assert_string_equal(o.events, "x");
        done(&o);
}

static void output_without_progress_is_reset(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 4);
        write_text(&o, CD_STR("0123456789"));
        turn();
        pass(WRITE_TIMEOUT_MS);
        assert_false(o.wire.is_closed);
        pass(1);
        assert_true(o.wire.is_reset);
        assert_string_equal(o.events, "E");
        done(&o);
}

static void output_with_progress_is_not(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 4);
        write_text(&o, CD_STR("0123456789abcdef"));
        turn();
        for (int i = 0; i < 3; i++) {
                pass(WRITE_TIMEOUT_MS - 1);
                assert_int_equal(taken(&o, 2).len, 2);
                pass(2);
                assert_false(o.wire.is_closed);
        }
        pass(WRITE_TIMEOUT_MS + 1);
        assert_true(o.wire.is_reset);
        done(&o);
}

static void what_is_out_does_not_stall(void **state)
{
        struct owner o;

        (void)state;
        open_stream(&o, 4);
        write_text(&o, CD_STR("01234567"));
        turn();
        assert_str(taken(&o, 4), "0123");
        turn();
        pass(10 * WRITE_TIMEOUT_MS);
        assert_false(o.wire.is_closed);
        assert_string_equal(o.events, "d");
        assert_int_equal(loop.wheel.count, 0);
        done(&o);
}

/* ---- the loop's end ---- */

static void streams_are_asked_to_stop_and_closed_when_the_grace_is_over(void **state)
{
        struct owner open, ending;

        (void)state;
        open_stream(&open, 100);
        open_stream(&ending, 4);
        write_text(&ending, CD_STR("0123456789"));
        CALL(&ending, cd_stream_end(ending.wire.stream, false));
        cd_loop_stop(&loop, 1000);
        assert_string_equal(open.events, "s");
        assert_string_equal(ending.events, ""); /* it ends already */
        pass(1000);
        assert_false(open.wire.is_closed);
        pass(1);
        assert_true(open.wire.is_closed);
        assert_true(ending.wire.is_closed);
        done(&open);
        done(&ending);
}

/* ---- memory ---- */

/* Each allocation fails in turn: the stream ends, or nothing is noticed; never half of it. */
static void without_memory_a_stream_ends(void **state)
{
        unsigned ended = 0, sent = 0;

        (void)state;
        for (int n = 0; n < 12; n++) {
                struct owner o = { 0 };
                fail_at = n;
                bool is_made = cd_loopback_init(&o.wire, &loop, 4);
                if (is_made) {
                        o.wire.stream->events = &events;
                        o.wire.stream->owner = &o;
                        write_text(&o, CD_STR("0123456789"));
                        turn();
                        fail_at = -1;
                        cd_str text = taken(&o, 100);
                        if (o.events[0])
                                assert_string_equal(o.events, "E");
                        else
                                assert_str(text, "0123");
                        o.events[0] ? ended++ : sent++;
                        if (o.wire.stream) {
                                cd_stream_close(o.wire.stream);
                                turn();
                        }
                }
                fail_at = -1;
                cd_loopback_done(&o.wire);
                /* Buffers that were kept would serve the next attempt. */
                while (loop.spare_count > 0) {
                        cd_buf_done(loop.spare_bufs[--loop.spare_count]);
                        free(loop.spare_bufs[loop.spare_count]);
                }
        }
        assert_true(ended >= 3 && sent >= 3);
}

static void spare_buffers_are_kept_within_a_bound(void **state)
{
        static char large[256 * 1024];
        struct owner o[CD_SPARE_BUFS + 2];

        (void)state;
        for (size_t i = 0; i < CD_LEN(o); i++) {
                open_stream(&o[i], 1024 * 1024);
                write_text(&o[i], CD_STR("x"));
        }
        turn();
        assert_int_equal(loop.spare_count, CD_SPARE_BUFS);
        write_text(&o[0], cd_str_of(large, sizeof(large) / 2));
        turn();
        assert_int_equal(loop.spare_count, CD_SPARE_BUFS);
        write_text(&o[0], cd_str_of(large, sizeof(large) / 2 + 1));
        turn();
        assert_int_equal(loop.spare_count, CD_SPARE_BUFS - 1); /* a large one is not kept */
        for (size_t i = 0; i < CD_LEN(o); i++)
                done(&o[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(output_goes_out_at_the_end_of_the_turn),
                TEST(a_flush_hands_over_at_once_and_tells_later),
                TEST(a_slow_reader_gets_all_in_order_and_only_then_it_is_drained),
                TEST(what_is_written_in_drained_goes_out_too),
                TEST(a_stream_that_always_has_more_holds_up_no_other),
                TEST(streams_are_flushed_in_the_order_in_which_they_wrote),
                TEST(many_that_wait_are_flushed_together_within_a_turn),
                TEST(what_is_made_of_a_full_read_goes_out_at_once),
                TEST(many_bytes_are_sent_at_once_after_the_output_before_them),
                TEST(of_many_bytes_what_is_not_accepted_waits_in_its_order),
                TEST(many_bytes_wait_behind_those_that_wait_already),
                TEST(many_bytes_after_output_that_failed_reset_the_stream),
                TEST(jobs_that_are_back_are_flushed_together_within_a_turn),
                TEST(a_stream_that_goes_leaves_the_others_in_their_order),
                TEST(a_closed_stream_swallows_what_is_written),
                TEST(output_that_failed_resets_the_stream),
                TEST(input_comes_only_where_it_is_wanted_and_is_wiped),
                TEST(the_end_of_input_leaves_output_open),
                TEST(a_broken_connection_ends_at_once),
                TEST(an_end_sends_what_is_left_and_a_close_does_not),
                TEST(a_reset_is_one),
                TEST(an_end_without_output_comes_too),
                TEST(of_two_ends_the_first_counts),
                TEST(an_owner_may_close_from_within_an_event),
                TEST(half_closed_it_reads_on),
                TEST(lingering_ends_when_the_other_side_ends),
                TEST(lingering_ends_with_its_time),
                TEST(lingering_ends_with_its_bytes),
                TEST(the_deadline_of_the_owner_is_one),
                TEST(output_without_progress_is_reset),
                TEST(output_with_progress_is_not),
                TEST(what_is_out_does_not_stall),
                TEST(streams_are_asked_to_stop_and_closed_when_the_grace_is_over),
                TEST(without_memory_a_stream_ends),
                TEST(spare_buffers_are_kept_within_a_bound),
        };
        return cmocka_run_group_tests_name("net/stream", tests, NULL, NULL);
}
