/* SPDX-License-Identifier: Apache-2.0
 *
 * Getting stanzas to a remote domain, whatever it takes, and saying so when
 * it cannot be done.
 */
#include "s2s/remote.h"

#include <stdio.h>
#include <string.h>

#include "s2s/access.h"
#include "s2s/connect.h"
#include "s2s/dialback.h"
#include "s2s/local.h"
#include "s2s/management.h"
#include "s2s/outgoing.h"
#include "s2s/relay.h"
#include "s2s/stream.h"
#include "s2s/trust.h"
#include "util/base/mem.h"
#include "util/base/str.h"

#define FORGET_MS  3600000 /* an idle domain and its failures */
#define STEADY_MS  5000	   /* a stream that lived shorter was a failure */
#define PAUSE_BITS 16
#define REASON_MAX 400

static const char *const state_names[] = {
	[REMOTE_IDLE] = "idle", [REMOTE_CONNECTING] = "connecting",
	[REMOTE_NEGOTIATING] = "negotiating", [REMOTE_OPEN] = "open",
	[REMOTE_PAUSED] = "paused",	[REMOTE_SUSPENDED] = "suspended",
};

const char *s2s_remote_state_name(enum s2s_remote_state state)
{
	return state_names[state];
}

static void attempt(struct s2s_remote *remote);

/* -- the table ------------------------------------------------------------ */

struct s2s_remote *s2s_remote_find(struct s2s *s2s, const char *local,
				   const char *domain)
{
	char *key = mem_printf("%s %s", local, domain);
	struct s2s_remote *remote;

	HASH_FIND_STR(s2s->remotes, key, remote);
	mem_free(key);
	return remote;
}

/* NULL: there are too many. */
static struct s2s_remote *get(struct s2s *s2s, const char *local,
			      const char *domain)
{
	struct s2s_remote *remote = s2s_remote_find(s2s, local, domain);

	if (remote)
		return remote;
	if (HASH_COUNT(s2s->remotes) >= (unsigned)s2s->config->remotes)
		return NULL;
	remote = mem_new(struct s2s_remote);
	remote->s2s = s2s;
	remote->key = mem_printf("%s %s", local, domain);
	remote->local = mem_strdup(local);
	remote->remote = mem_strdup(domain);
	remote->ascii = resolver_ascii(domain);
	HASH_ADD_KEYPTR(hh, s2s->remotes, remote->key, strlen(remote->key),
			remote);
	return remote;
}

static void verify_free(struct s2s_verify *verify)
{
	LL_DELETE(verify->remote->verifies, verify);
	timer_stop(&verify->timer);
	mem_free(verify->id);
	mem_free(verify->key);
	mem_free(verify);
}

static void take_off(struct s2s_remote *remote, const struct s2s_queued *queued)
{
	remote->s2s->stats.queued--;
	remote->s2s->stats.queued_bytes -= queued->len;
}

void s2s_remote_join(struct s2s_remote *remote, struct s2s_stream *stream)
{
	remote->stream = stream;
	DL_APPEND2(stream->users, remote, prev_user, next_user);
}

static void leave(struct s2s_remote *remote)
{
	struct s2s_stream *stream = remote->stream;

	if (!stream)
		return;
	DL_DELETE2(stream->users, remote, prev_user, next_user);
	if (stream->owner == remote)
		stream->owner = NULL;
	remote->stream = NULL;
}

static void remote_free(struct s2s_remote *remote)
{
	struct s2s_queued *queued;
	struct s2s_verify *verify, *next;

	HASH_DEL(remote->s2s->remotes, remote);
	leave(remote);
	s2s_connect_free(&remote->connect);
	timer_stop(&remote->timer);
	timer_stop(&remote->age);
	LL_FOREACH_SAFE(remote->verifies, verify, next)
		verify_free(verify);
	while ((queued = s2s_queue_take(&remote->queue))) {
		take_off(remote, queued);
		mem_free(queued);
	}
	mem_free(remote->key);
	mem_free(remote->local);
	mem_free(remote->remote);
	mem_free(remote->ascii);
	mem_free(remote->reason);
	mem_free(remote);
}

void s2s_remotes_free(struct s2s *s2s)
{
	struct s2s_remote *remote, *next;

	HASH_ITER(hh, s2s->remotes, remote, next)
		remote_free(remote);
}

/* -- the queue ------------------------------------------------------------ */

static struct s2s_queue_limits limits(const struct s2s_remote *remote)
{
	const struct s2s_config *config = remote->s2s->config;

	return (struct s2s_queue_limits){
		.count = (size_t)config->queue_stanzas,
		.bytes = (size_t)config->queue_bytes,
		.age = (uint64_t)config->queue_age,
	};
}

static void on_age(struct timer *timer);

static void watch_age(struct s2s_remote *remote)
{
	struct s2s_queue_limits limit = limits(remote);
	struct loop *loop = remote->s2s->loop;

	if (!remote->queue.first)
		timer_stop(&remote->age);
	else if (!timer_running(&remote->age))
		timer_start(&remote->age, loop,
			    s2s_queue_due(&remote->queue, &limit,
					  loop_now(loop)) +
				    1,
			    on_age);
}

static void bounce(struct s2s_remote *remote, struct s2s_queued *queued,
		   enum stanza_error condition, const char *text)
{
	take_off(remote, queued);
	s2s_relay_bounce(remote->s2s, queued->bytes, queued->len, condition,
			 text, queued->receipt);
	mem_free(queued);
}

static void bounce_all(struct s2s_remote *remote)
{
	struct s2s_queued *queued;

	while ((queued = s2s_queue_take(&remote->queue)))
		bounce(remote, queued, remote->condition, remote->reason);
	watch_age(remote);
}

static void on_age(struct timer *timer)
{
	struct s2s_remote *remote =
		container_of(timer, struct s2s_remote, age);
	struct s2s_queue_limits limit = limits(remote);
	uint64_t now = loop_now(remote->s2s->loop);
	char late[REASON_MAX];
	struct s2s_queued *queued;

	snprintf(late, sizeof(late), "%s did not take it in time",
		 remote->remote);
	while ((queued = s2s_queue_take_old(&remote->queue, &limit, now))) {
		if (remote->state != REMOTE_OPEN && remote->reason)
			bounce(remote, queued, remote->condition,
			       remote->reason);
		else
			bounce(remote, queued, STANZA_REMOTE_SERVER_TIMEOUT,
			       late);
	}
	if (remote->state == REMOTE_PAUSED && !remote->queue.first)
		remote->dead = true;
	watch_age(remote);
}

static bool can_write(const struct s2s_remote *remote)
{
	return remote->state == REMOTE_OPEN && !remote->stream->ended &&
	       !conn_above_high_water(remote->stream->conn) &&
	       !s2s_management_full(remote->stream) && !remote->s2s->stopping;
}

/* The stream is good enough for most, but not for this one. */
static bool is_untrusted(const struct s2s_remote *remote, int need)
{
	return need > (int)s2s_access_level(remote);
}

static void return_untrusted(struct s2s_remote *remote, const char *bytes,
			     size_t len, int need, struct link_receipt receipt)
{
	char text[REASON_MAX];

	snprintf(text, sizeof(text), "%s is %s, and for this has to be %s",
		 remote->remote, trust_names[s2s_access_level(remote)],
		 trust_names[need]);
	s2s_relay_bounce(remote->s2s, bytes, len, STANZA_NOT_ALLOWED, text,
			 receipt);
}

static void write_bytes(struct s2s_remote *remote, const char *bytes,
			size_t len)
{
	struct s2s *s2s = remote->s2s;
	struct s2s_stream *stream = remote->stream;

	stream->used = loop_now(s2s->loop);
	stream->stanzas++;
	s2s->stats.stanzas[S2S_OUT]++;
	s2s_stream_write(stream, bytes, len);
}

/* Takes it over. Without acknowledgements of the peer it counts as delivered
 * when it is written. */
static void write_queued(struct s2s_remote *remote, struct s2s_queued *queued)
{
	if (is_untrusted(remote, queued->need)) {
		return_untrusted(remote, queued->bytes, queued->len,
				 queued->need, queued->receipt);
		mem_free(queued);
		return;
	}
	write_bytes(remote, queued->bytes, queued->len);
	if (remote->stream->management) {
		s2s_management_take_sent(remote->stream, remote, queued);
		return;
	}
	s2s_relay_done(remote->s2s, queued->receipt);
	mem_free(queued);
}

static void write_stanza(struct s2s_remote *remote, const char *bytes,
			 size_t len, int need, struct link_receipt receipt)
{
	struct s2s *s2s = remote->s2s;

	if (remote->stream->management || is_untrusted(remote, need)) {
		write_queued(remote, s2s_queued_new(bytes, len, need, receipt,
						    loop_now(s2s->loop)));
		return;
	}
	write_bytes(remote, bytes, len);
	s2s_relay_done(s2s, receipt);
}

static void flush(struct s2s_remote *remote)
{
	struct s2s_queued *queued;

	while (can_write(remote) &&
	       (queued = s2s_queue_take(&remote->queue)) != NULL) {
		take_off(remote, queued);
		write_queued(remote, queued);
	}
	watch_age(remote);
}

/* -- states --------------------------------------------------------------- */

static void on_timer(struct timer *timer);

static void set_state(struct s2s_remote *remote, enum s2s_remote_state state)
{
	struct s2s *s2s = remote->s2s;

	remote->state = state;
	switch (state) {
	case REMOTE_IDLE:
		timer_start(&remote->timer, s2s->loop, FORGET_MS, on_timer);
		break;
	case REMOTE_OPEN:
	case REMOTE_SUSPENDED:
		timer_stop(&remote->timer);
		break;
	default: /* the deadline of the attempt goes on */
		break;
	}
}

static uint64_t pause_ms(const struct s2s_remote *remote)
{
	const struct s2s_config *config = remote->s2s->config;
	unsigned doublings =
		remote->failures > PAUSE_BITS ? PAUSE_BITS : remote->failures;
	uint64_t pause = (uint64_t)config->retry_first;

	if (doublings > 0)
		pause <<= doublings - 1;
	if (pause > (uint64_t)config->retry_max)
		pause = (uint64_t)config->retry_max;
	return loop_jitter(remote->s2s->loop, pause);
}

static void fail_verifies(struct s2s_remote *remote)
{
	const char *condition = stanza_error_condition(remote->condition);

	while (remote->verifies)
		s2s_remote_verified(remote, remote->verifies, false, condition,
				    remote->reason);
}

/* What was tried last has failed, and remote->reason says why. */
static void failed(struct s2s_remote *remote)
{
	struct s2s *s2s = remote->s2s;
	uint64_t pause;

	s2s_connect_free(&remote->connect);
	s2s->stats.failures++;
	remote->failures++;
	pause = pause_ms(remote);
	log_notice(s2s->log, "remote.failed", LOG_S("local", remote->local),
		   LOG_S("remote", remote->remote),
		   LOG_S("reason", remote->reason),
		   LOG_N("failures", remote->failures),
		   LOG_N("pause-ms", pause),
		   LOG_N("waiting", remote->queue.count));
	fail_verifies(remote);
	set_state(remote, REMOTE_PAUSED);
	timer_start(&remote->timer, s2s->loop, pause, on_timer);
	if (remote->final || remote->dead) {
		remote->dead = true;
		s2s_management_drop(&remote->suspended);
		bounce_all(remote);
	}
}

void s2s_remote_blame(struct s2s_remote *remote, enum stanza_error condition,
		      bool final, const char *format, ...)
{
	struct buf text = { 0 };
	va_list args;

	va_start(args, format);
	buf_vaddf(&text, format, args);
	va_end(args);
	mem_free(remote->reason);
	remote->reason = buf_take(&text);
	remote->condition = condition;
	remote->final = final;
	remote->blamed = true;
}

static void deadline(struct s2s_remote *remote)
{
	struct s2s_stream *stream = remote->stream;

	leave(remote);
	if (stream) {
		s2s_stream_fail(stream, STREAM_CONNECTION_TIMEOUT,
				"it took too long");
	}
	if (!remote->blamed || !stream)
		s2s_remote_blame(remote, STANZA_REMOTE_SERVER_TIMEOUT, false,
				 "%s did not answer in time", remote->remote);
	failed(remote);
}

/* Whether there is a reason to reach the domain. */
static bool is_busy(const struct s2s_remote *remote)
{
	return remote->queue.first || remote->verifies || remote->suspended;
}

static void on_timer(struct timer *timer)
{
	struct s2s_remote *remote =
		container_of(timer, struct s2s_remote, timer);

	switch (remote->state) {
	case REMOTE_IDLE:
		remote_free(remote);
		break;
	case REMOTE_PAUSED:
		set_state(remote, REMOTE_IDLE);
		if (is_busy(remote))
			attempt(remote);
		break;
	default:
		deadline(remote);
		break;
	}
}

/* -- attempts ------------------------------------------------------------- */

static void on_connected(const struct s2s_connected *connected, void *ctx)
{
	struct s2s_remote *remote = ctx;
	struct s2s *s2s = remote->s2s;
	struct s2s_stream *stream;

	if (!connected->conn) {
		/* What a server said is worth more than that there is no
		 * other one. */
		if (!remote->blamed)
			s2s_remote_blame(
				remote,
				connected->absent ?
					STANZA_REMOTE_SERVER_NOT_FOUND :
					STANZA_REMOTE_SERVER_TIMEOUT,
				connected->final || connected->absent,
				"%s cannot be reached: %s", remote->remote,
				connected->why);
		failed(remote);
		return;
	}
	stream = s2s_stream_new(s2s, connected->conn, false,
				connected->direct);
	stream->local = mem_strdup(remote->local);
	stream->remote = mem_strdup(remote->remote);
	stream->dane = connected->dane;
	stream->owner = remote;
	s2s_remote_join(remote, stream);
	set_state(remote, REMOTE_NEGOTIATING);
	s2s_outgoing_start(stream, remote->ascii);
}

static void attempt(struct s2s_remote *remote)
{
	struct s2s *s2s = remote->s2s;
	struct s2s_policy policy =
		s2s_policy(s2s, remote->local, remote->remote);

	remote->blamed = false;
	remote->final = false;
	remote->tried = loop_now(s2s->loop);
	s2s->stats.attempts++;
	if (policy.refuse)
		s2s_remote_blame(remote, STANZA_NOT_ALLOWED, true,
				 "this server does not talk to %s",
				 remote->remote);
	else if (!remote->ascii)
		s2s_remote_blame(remote, STANZA_REMOTE_SERVER_NOT_FOUND, true,
				 "%s is not a name that DNS could know",
				 remote->remote);
	if (remote->blamed) {
		failed(remote);
		return;
	}
	set_state(remote, REMOTE_CONNECTING);
	timer_start(&remote->timer, s2s->loop,
		    (uint64_t)s2s->config->connect_timeout, on_timer);
	remote->connect = s2s_connect_start(
		s2s, remote->ascii,
		policy.section ? policy.section->route : NULL,
		policy.section && policy.section->route_tls, on_connected,
		remote);
}

void s2s_remote_opened(struct s2s_remote *remote)
{
	struct s2s *s2s = remote->s2s;

	s2s_connect_free(&remote->connect);
	remote->opened = loop_now(s2s->loop);
	remote->dead = false;
	mem_free(remote->reason);
	remote->reason = NULL;
	set_state(remote, REMOTE_OPEN);
	flush(remote);
}

/* It was open, and is not any more. */
static void closed(struct s2s_remote *remote, const char *reason)
{
	uint64_t lived = loop_now(remote->s2s->loop) - remote->opened;

	set_state(remote, REMOTE_IDLE);
	if (lived >= STEADY_MS)
		remote->failures = 0;
	for (struct s2s_verify *v = remote->verifies; v; v = v->next)
		v->sent = false;
	if (!is_busy(remote))
		return;
	if (lived >= STEADY_MS) {
		attempt(remote);
		return;
	}
	s2s_remote_blame(remote, STANZA_REMOTE_SERVER_TIMEOUT, false,
			 "%s ended the stream: %s", remote->remote, reason);
	failed(remote);
}

static void lost(struct s2s_remote *remote, const char *reason)
{
	if (remote->state == REMOTE_OPEN) {
		closed(remote, reason);
		return;
	}
	if (remote->state != REMOTE_NEGOTIATING)
		return;
	for (struct s2s_verify *v = remote->verifies; v; v = v->next)
		v->sent = false;
	if (!remote->blamed)
		s2s_remote_blame(remote, STANZA_REMOTE_SERVER_TIMEOUT, false,
				 "%s ended the stream: %s", remote->remote,
				 reason);
	if (remote->final) {
		failed(remote);
		return;
	}
	set_state(remote, REMOTE_CONNECTING);
	s2s_connect_next(remote->connect);
}

/* -- stanzas -------------------------------------------------------------- */

static void refuse(struct s2s *s2s, const char *domain, const char *bytes,
		   size_t len, const char *what, struct link_receipt receipt)
{
	char text[REASON_MAX];

	snprintf(text, sizeof(text), "%s %s", what, domain);
	s2s_relay_bounce(s2s, bytes, len, STANZA_RESOURCE_CONSTRAINT, text,
			 receipt);
}

static void keep(struct s2s_remote *remote, const char *bytes, size_t len,
		 int need, struct link_receipt receipt)
{
	struct s2s *s2s = remote->s2s;
	struct s2s_queue_limits limit = limits(remote);

	/* A peer that takes stanzas, if slowly, slows down who sends them: the
	 * link holds those back whose stanzas are not acknowledged. */
	if (remote->state == REMOTE_OPEN)
		limit.count = SIZE_MAX;
	if (!s2s_queue_add(&remote->queue, &limit, bytes, len, need, receipt,
			   loop_now(s2s->loop))) {
		refuse(s2s, remote->remote, bytes, len,
		       "too much waits already to be sent to", receipt);
		return;
	}
	s2s->stats.queued++;
	s2s->stats.queued_bytes += len;
	watch_age(remote);
	if (remote->state == REMOTE_IDLE)
		attempt(remote);
}

void s2s_remote_send(struct s2s *s2s, const char *local, const char *domain,
		     const char *bytes, size_t len, int need,
		     struct link_receipt receipt)
{
	struct s2s_remote *remote = get(s2s, local, domain);

	if (!remote)
		refuse(s2s, domain, bytes, len,
		       "too many other servers are talked to, so not to",
		       receipt);
	else if (can_write(remote) && !remote->queue.first)
		write_stanza(remote, bytes, len, need, receipt);
	else if (remote->state == REMOTE_PAUSED && remote->dead)
		s2s_relay_bounce(s2s, bytes, len, remote->condition,
				 remote->reason, receipt);
	else
		keep(remote, bytes, len, need, receipt);
}

/* -- verifications -------------------------------------------------------- */

static void verify_late(struct timer *timer)
{
	struct s2s_verify *verify =
		container_of(timer, struct s2s_verify, timer);

	s2s_remote_verified(
		verify->remote, verify, false,
		stanza_error_condition(STANZA_REMOTE_SERVER_TIMEOUT),
		"the verification had no answer in time");
}

void s2s_remote_verify(struct s2s_stream *incoming, const char *local,
		       const char *domain, const char *key)
{
	struct s2s *s2s = incoming->s2s;
	struct s2s_remote *remote = get(s2s, local, domain);
	struct s2s_verify *verify;

	if (!remote) {
		s2s_dialback_unverified(incoming, local, domain,
					STANZA_RESOURCE_CONSTRAINT,
					"too many other servers");
		return;
	}
	verify = mem_new(struct s2s_verify);
	verify->remote = remote;
	verify->serial = incoming->serial;
	verify->id = mem_strdup(incoming->id);
	verify->key = mem_strdup(key);
	LL_APPEND(remote->verifies, verify);
	timer_start(&verify->timer, s2s->loop,
		    (uint64_t)s2s->config->connect_timeout, verify_late);
	/* It calls us, so it may be back: a pause is not waited for, unless
	 * it was tried only just now. */
	if (remote->state == REMOTE_IDLE ||
	    (remote->state == REMOTE_PAUSED &&
	     loop_now(s2s->loop) - remote->tried >=
		     (uint64_t)s2s->config->retry_first))
		attempt(remote);
	else if (remote->state == REMOTE_PAUSED && remote->dead)
		s2s_remote_verified(remote, verify, false,
				    stanza_error_condition(remote->condition),
				    remote->reason);
	else if (remote->stream && remote->stream->verifying)
		s2s_dialback_send_verifies(remote);
}

void s2s_remote_verified(struct s2s_remote *remote, struct s2s_verify *verify,
			 bool valid, const char *condition, const char *text)
{
	char *id = verify->id;
	uint64_t serial = verify->serial;

	verify->id = NULL;
	verify_free(verify);
	s2s_dialback_verified(remote, serial, id, valid, condition, text);
	mem_free(id);
}

/* -- incoming streams ----------------------------------------------------- */

void s2s_remote_encouraged(struct s2s *s2s, const char *local,
			   const char *domain, struct s2s_stream *stream)
{
	struct s2s_remote *remote = stream->bidi ? get(s2s, local, domain)
						 : s2s_remote_find(s2s, local, domain);

	if (!remote)
		return;
	if (stream->bidi && !remote->stream && !remote->connect &&
	    !remote->suspended) {
		s2s_remote_join(remote, stream);
		s2s_remote_opened(remote);
	} else if (remote->state == REMOTE_PAUSED && !remote->final) {
		remote->dead = false;
		set_state(remote, REMOTE_IDLE);
		if (is_busy(remote))
			attempt(remote);
	}
}

/* -- the end of streams --------------------------------------------------- */

void s2s_remotes_leave(struct s2s_stream *stream, const char *reason,
		       bool broken)
{
	struct s2s_management *m = stream->management;
	struct s2s_remote *owner = stream->owner, *remote;
	bool wait = s2s_management_end(stream, broken);

	while ((remote = stream->users)) {
		leave(remote);
		if (wait && remote->state == REMOTE_OPEN) {
			set_state(remote, REMOTE_SUSPENDED);
			s2s_management_wait(m, remote);
		} else {
			lost(remote, reason);
		}
	}
	if (owner && owner->state == REMOTE_SUSPENDED)
		closed(owner, reason);
}

void s2s_remote_take_back(struct s2s_remote *remote,
			  struct s2s_queued *queued)
{
	struct s2s *s2s = remote->s2s;

	/* It was with the peer, perhaps; its time begins anew. */
	queued->since = loop_now(s2s->loop);
	s2s_queue_put_back(&remote->queue, queued);
	s2s->stats.queued++;
	s2s->stats.queued_bytes += queued->len;
	watch_age(remote);
}

void s2s_remote_released(struct s2s_remote *remote)
{
	remote->suspended = NULL;
	if (remote->state != REMOTE_SUSPENDED)
		return;
	set_state(remote, REMOTE_IDLE);
	if (is_busy(remote))
		attempt(remote);
}

void s2s_remotes_released(struct s2s_remote *users)
{
	struct s2s_remote *remote;

	while ((remote = users)) {
		DL_DELETE2(users, remote, prev_user, next_user);
		s2s_remote_released(remote);
	}
}

void s2s_remotes_flush(struct s2s_stream *stream)
{
	struct s2s_remote *remote;

	DL_FOREACH2(stream->users, remote, next_user)
		flush(remote);
}
