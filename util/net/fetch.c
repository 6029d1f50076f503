/* SPDX-License-Identifier: Apache-2.0
 *
 * libcurl's multi interface: it says which descriptors to watch and when to
 * wake it, and finds out by itself what has to be done.
 */
#include "util/net/fetch.h"

#include <curl/curl.h>
#include <string.h>

#include "util/base/buf.h"
#include "util/base/mem.h"
#include "util/base/str.h"
#include "util/base/table.h"
#include "util/net/timer.h"
#include "util/net/watch.h"

struct fetcher {
	struct loop *loop;
	struct fetcher_options options;
	char *ca;
	CURLM *multi;
	struct timer timer;
	struct fetch *fetches;
	struct socket_watch *sockets;
	size_t running;
};

struct socket_watch {
	struct fetcher *fetcher;
	struct watch *watch;
	curl_socket_t fd;
	struct socket_watch *prev, *next;
};

struct fetch {
	struct fetcher *fetcher;
	CURL *curl;
	struct curl_slist *resolve;
	struct buf body;
	fetch_cb *cb;
	void *ctx;
	const char *failed; /* it could not even be started */
	struct deferred deferred;
	char error[CURL_ERROR_SIZE];
	struct fetch *prev, *next;
};

/* -- the end of a fetch --------------------------------------------------- */

static void fetch_free(struct fetch *fetch)
{
	struct fetcher *fetcher = fetch->fetcher;

	DL_DELETE(fetcher->fetches, fetch);
	loop_defer_cancel(fetcher->loop, &fetch->deferred);
	if (fetch->curl) {
		curl_multi_remove_handle(fetcher->multi, fetch->curl);
		curl_easy_cleanup(fetch->curl);
		fetcher->running--;
	}
	curl_slist_free_all(fetch->resolve);
	buf_free(&fetch->body);
	mem_free(fetch);
}

void fetch_cancel(struct fetch **fetch_ptr)
{
	struct fetch *fetch = *fetch_ptr;

	*fetch_ptr = NULL;
	if (fetch)
		fetch_free(fetch);
}

static void finish(struct fetch *fetch, CURLcode code)
{
	struct fetched fetched = { .status = 0 };
	char *redirect = NULL;

	if (code == CURLE_OK) {
		curl_easy_getinfo(fetch->curl, CURLINFO_RESPONSE_CODE,
				  &fetched.status);
		curl_easy_getinfo(fetch->curl, CURLINFO_REDIRECT_URL,
				  &redirect);
		fetched.redirect = redirect;
		fetched.body = buf_data(&fetch->body);
		fetched.len = fetch->body.len;
	} else {
		fetched.why = fetch->error[0] ? fetch->error
					      : curl_easy_strerror(code);
	}
	fetch->cb(&fetched, fetch->ctx);
	fetch_free(fetch);
}

/* One at a time: a callback may start or cancel others. */
static void collect(struct fetcher *fetcher)
{
	struct fetch *fetch;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetcher->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
				  &fetch);
		finish(fetch, message->data.result);
	}
}

/* -- what libcurl wants of the loop --------------------------------------- */

static void on_timer(struct timer *timer)
{
	struct fetcher *fetcher = container_of(timer, struct fetcher, timer);
	int running;

	curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0,
				 &running);
	collect(fetcher);
}

static int want_timer(CURLM *multi, long ms, void *ctx)
{
	struct fetcher *fetcher = ctx;

	(void)multi;
	if (ms < 0)
		timer_stop(&fetcher->timer);
	else
		timer_start(&fetcher->timer, fetcher->loop, (uint64_t)ms,
			    on_timer);
	return 0;
}

static void on_socket(struct watch *watch, unsigned events, void *ctx)
{
	struct socket_watch *s = ctx;
	struct fetcher *fetcher = s->fetcher;
	int mask = 0, running;

	(void)watch;
	if (events & WATCH_READ)
		mask |= CURL_CSELECT_IN;
	if (events & WATCH_WRITE)
		mask |= CURL_CSELECT_OUT;
	/* It may tell us to forget this socket. */
	curl_multi_socket_action(fetcher->multi, s->fd, mask, &running);
	collect(fetcher);
}

static void socket_free(struct socket_watch *s)
{
	DL_DELETE(s->fetcher->sockets, s);
	watch_stop(&s->watch);
	mem_free(s);
}

static int want_socket(CURL *curl, curl_socket_t fd, int what, void *ctx,
		       void *socket_ctx)
{
	struct fetcher *fetcher = ctx;
	struct socket_watch *s = socket_ctx;
	struct error err;
	unsigned events = 0;

	(void)curl;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			socket_free(s);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= WATCH_READ;
	if (what & CURL_POLL_OUT)
		events |= WATCH_WRITE;
	if (s) {
		watch_set(s->watch, events);
		return 0;
	}
	s = mem_new(struct socket_watch);
	s->fetcher = fetcher;
	s->fd = fd;
	DL_APPEND(fetcher->sockets, s);
	s->watch = watch_start(fetcher->loop, fd, events, on_socket, s, &err);
	if (!s->watch) {
		socket_free(s);
		return -1;
	}
	curl_multi_assign(fetcher->multi, fd, s);
	return 0;
}

/* -- starting ------------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct fetch *fetch = ctx;

	if (fetch->body.len + size * count > fetch->fetcher->options.bytes) {
		str_copy(fetch->error, sizeof(fetch->error),
			 "the document is too big");
		return 0;
	}
	buf_add(&fetch->body, bytes, size * count);
	return size * count;
}

int fetch_parse(const char *url, char host[FETCH_HOST_MAX], unsigned *port)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL, *name = NULL, *number = NULL;
	uint64_t value = 0;
	int result = -1;

	if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(parsed, CURLUPART_HOST, &name, 0) == CURLUE_OK &&
	    curl_url_get(parsed, CURLUPART_PORT, &number,
			 CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    str_equal(scheme, "https") && strlen(name) < FETCH_HOST_MAX &&
	    str_to_u64(number, 1, UINT16_MAX, &value) == 0) {
		str_copy(host, FETCH_HOST_MAX, name);
		*port = (unsigned)value;
		result = 0;
	}
	curl_free(scheme);
	curl_free(name);
	curl_free(number);
	curl_url_cleanup(parsed);
	return result;
}

static void set_options(struct fetch *fetch, const char *url)
{
	const struct fetcher *fetcher = fetch->fetcher;
	CURL *curl = fetch->curl;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, fetch);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_RESOLVE, fetch->resolve);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, fetch);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, fetch->error);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)fetcher->options.ms);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (fetcher->ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, fetcher->ca);
}

static const char *begin(struct fetch *fetch, const char *url,
			 const char *addresses)
{
	struct fetcher *fetcher = fetch->fetcher;
	char host[FETCH_HOST_MAX];
	unsigned port;
	char *entry;

	if (fetch_parse(url, host, &port) < 0)
		return "the address is not one of HTTPS";
	if (fetcher->running >= fetcher->options.parallel)
		return "too much is being fetched";
	fetch->curl = curl_easy_init();
	if (!fetch->curl)
		return "libcurl does not start";
	fetcher->running++;
	entry = mem_printf("%s:%u:%s", host, port, addresses);
	fetch->resolve = curl_slist_append(NULL, entry);
	mem_free(entry);
	set_options(fetch, url);
	if (curl_multi_add_handle(fetcher->multi, fetch->curl) != CURLM_OK)
		return "libcurl does not take it";
	return NULL;
}

static void tell_failed(struct deferred *deferred)
{
	struct fetch *fetch = container_of(deferred, struct fetch, deferred);
	struct fetched fetched = { .why = fetch->failed };

	fetch->cb(&fetched, fetch->ctx);
	fetch_free(fetch);
}

struct fetch *fetch_start(struct fetcher *fetcher, const char *url,
			  const char *addresses, fetch_cb *cb, void *ctx)
{
	struct fetch *fetch = mem_new(struct fetch);

	fetch->fetcher = fetcher;
	fetch->cb = cb;
	fetch->ctx = ctx;
	DL_APPEND(fetcher->fetches, fetch);
	fetch->failed = begin(fetch, url, addresses);
	if (fetch->failed)
		loop_defer(fetcher->loop, &fetch->deferred, tell_failed);
	return fetch;
}

/* -- life ----------------------------------------------------------------- */

struct fetcher *fetcher_new(struct loop *loop,
			    const struct fetcher_options *options,
			    struct error *err)
{
	struct fetcher *fetcher;
	CURLM *multi;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	if (!multi) {
		error_set(err, "libcurl does not start");
		return NULL;
	}
	fetcher = mem_new(struct fetcher);
	fetcher->loop = loop;
	fetcher->options = *options;
	fetcher->ca = options->ca ? mem_strdup(options->ca) : NULL;
	fetcher->multi = multi;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, fetcher);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, fetcher);
	return fetcher;
}

void fetcher_free(struct fetcher **fetcher_ptr)
{
	struct fetcher *fetcher = *fetcher_ptr;
	struct fetch *fetch, *next;

	*fetcher_ptr = NULL;
	if (!fetcher)
		return;
	DL_FOREACH_SAFE(fetcher->fetches, fetch, next)
		fetch_free(fetch);
	curl_multi_cleanup(fetcher->multi);
	while (fetcher->sockets)
		socket_free(fetcher->sockets);
	timer_stop(&fetcher->timer);
	mem_free(fetcher->ca);
	mem_free(fetcher);
	curl_global_cleanup();
}
