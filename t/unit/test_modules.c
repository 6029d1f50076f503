/* SPDX-License-Identifier: Apache-2.0
 *
 * The small features of the sm, each asked as clients ask: its answers, its
 * errors, and what strangers get.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/sm_world.h"
#include "util/base/crypto.h"
#include "util/base/mem.h"

#define ALICE "alice@example.org"
#define ME    ALICE "/a"
#define EVE   "eve@example.net/e"

#define IQ(from, to, type, inside)                                             \
	"<iq from='" from "' to='" to "' type='" type "' id='i'>" inside "</"  \
									 "iq>"

/* Alice with a session that is available, friend@x who may see her. */
static struct session *setup(struct sm_world *world)
{
	struct roster_item friend = { .jid = (char *)"friend@x",
				      .listed = true,
				      .subscription = SUBSCRIPTION_FROM };
	struct storage_result loaded = { .roster = &friend, .count = 1 };
	struct session *session;

	sm_world_init(world, "memory", "");
	roster_load(world->user, &loaded);
	session = sm_world_session(world, "a");
	sm_world_presence(session, "<presence/>");
	buf_clear(&world->routed, 0);
	return session;
}

static void ask(struct sm_world *world, const char *xml)
{
	buf_clear(&world->sent, 0);
	buf_clear(&world->routed, 0);
	sm_world_receive(world, xml);
	sm_world_settle(world);
}

/* There is an answer; keys for passwords are made in a thread, which may take
 * its time. */
static void ask_answered(struct sm_world *world, const char *xml)
{
	ask(world, xml);
	for (int i = 0; i < 2000; i++) {
		if (world->sent.len > 0 || world->routed.len > 0)
			break;
		sm_world_settle(world);
	}
}

#define REFUSED "<service-unavailable "

static void test_answers(void **state)
{
	static const struct {
		const char *xml, *answer;
		bool away; /* the answer leaves this sm */
	} cases[] = {
		{ IQ(ME, "example.org", "get", "<ping xmlns='urn:xmpp:ping'/>"),
		  "type='result' id='i'/>", false },
		{ IQ(EVE, "example.org", "get",
		     "<ping xmlns='urn:xmpp:ping'/>"),
		  "type='result' id='i'/>", true },
		{ IQ(ME, ALICE, "get", "<ping xmlns='urn:xmpp:ping'/>"),
		  "type='result' id='i'/>", false },
		{ IQ(EVE, ALICE, "get", "<ping xmlns='urn:xmpp:ping'/>"),
		  REFUSED, true },
		{ IQ(ME, "example.org", "set", "<ping xmlns='urn:xmpp:ping'/>"),
		  REFUSED, false },
		{ IQ(ME, "example.org/x", "get",
		     "<ping xmlns='urn:xmpp:ping'/>"),
		  "service-unavailable to", true },
		{ IQ(EVE, "example.org", "get",
		     "<query xmlns='jabber:iq:version'/>"),
		  "<name>Chappe</name><version>", true },
		{ IQ(EVE, "example.org", "get",
		     "<time xmlns='urn:xmpp:time'/>"),
		  "<tzo>+00:00</tzo><utc>2", true },
		{ IQ(EVE, "example.org", "get",
		     "<query xmlns='jabber:iq:last'/>"),
		  "seconds='0'", true },
		{ IQ(ME, ALICE, "set",
		     "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"),
		  "type='result' id='i'/>", false },
		{ IQ(ME, "example.org", "get", "<x xmlns='urn:unknown'/>"),
		  REFUSED, false },
		{ IQ(ME, "example.org", "get", ""), "bad-request to", true },
		{ IQ(ME, "example.org", "nonsense",
		     "<ping xmlns='urn:xmpp:ping'/>"),
		  "bad-request to", true },
		{ IQ(EVE, ALICE "/none", "get",
		     "<ping xmlns='urn:xmpp:ping'/>"),
		  "service-unavailable to", true },
	};
	struct sm_world world;

	(void)state;
	setup(&world);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(&world, cases[i].xml);
		buf_add(&world.routed, buf_data(&world.errors),
			world.errors.len);
		buf_clear(&world.errors, 0);
		sm_world_saw(cases[i].away ? &world.routed : &world.sent,
			     cases[i].answer);
	}
	/* Answers and errors are answered by nobody. */
	ask(&world, IQ(EVE, "example.org", "result", ""));
	ask(&world, IQ(ME, ALICE, "result", ""));
	ask(&world, IQ(EVE, ALICE "/none", "error", ""));
	sm_world_nothing(&world.routed);
	sm_world_nothing(&world.sent);
	sm_world_nothing(&world.errors);
	/* A request for a resource that is there goes to it. */
	ask(&world, IQ(EVE, ME, "get", "<x xmlns='urn:unknown'/>"));
	sm_world_saw(&world.sent, "urn:unknown");
	sm_world_free(&world);
}

static void test_last(void **state)
{
	struct sm_world world;
	struct session *session;

	(void)state;
	session = setup(&world);
#define LAST "<query xmlns='jabber:iq:last'/>"
	ask(&world, IQ("friend@x/r", ALICE, "get", LAST));
	sm_world_saw(&world.routed, "seconds='0'");
	ask(&world, IQ(EVE, ALICE, "get", LAST));
	sm_world_saw(&world.routed, REFUSED);
	/* Nor does a resource tell a stranger. */
	ask(&world, IQ(EVE, ME, "get", LAST));
	sm_world_nothing(&world.sent);
	sm_world_saw(&world.errors, "service-unavailable to " EVE);
	ask(&world, IQ("friend@x/r", ME, "get", LAST));
	sm_world_saw(&world.sent, "jabber:iq:last");
	sm_world_close(session);
	sm_world_settle(&world);
	world_run(&world.world, 1100);
	ask(&world, IQ("friend@x/r", ALICE, "get", LAST));
	sm_world_saw(&world.routed, "seconds='1'");
	sm_world_free(&world);
}

static void test_private(void **state)
{
	struct sm_world world;

	(void)state;
	setup(&world);
	world.options.document_max = 200;
#define PRIVATE(inside) "<query xmlns='jabber:iq:private'>" inside "</query>"
	ask(&world, IQ(ME, ALICE, "get", PRIVATE("<n xmlns='urn:n'/>")));
	sm_world_saw(&world.sent, PRIVATE("<n xmlns='urn:n'/>"));
	ask(&world, IQ(ME, ALICE, "set",
		       PRIVATE("<n xmlns='urn:n'><a b='c'>d</a></n>")));
	sm_world_saw(&world.sent, "type='result' id='i'/>");
	ask(&world, IQ(ME, ALICE, "get", PRIVATE("<n xmlns='urn:n'/>")));
	sm_world_saw(&world.sent,
		     PRIVATE("<n xmlns='urn:n'><a b='c'>d</a></n>"));
	ask(&world, IQ(ME, ALICE, "get", PRIVATE("<n xmlns='urn:m'/>")));
	sm_world_saw(&world.sent, PRIVATE("<n xmlns='urn:m'/>"));
	ask(&world, IQ(ME, ALICE, "get", PRIVATE("")));
	sm_world_saw(&world.sent, "<bad-request ");
	ask(&world, IQ(ME, ALICE, "set",
		       PRIVATE("<n xmlns='urn:n'/><m xmlns='urn:n'/>")));
	sm_world_saw(&world.sent, "<bad-request ");
	ask(&world, IQ(EVE, ALICE, "get", PRIVATE("<n xmlns='urn:n'/>")));
	sm_world_saw(&world.routed, REFUSED);
	world.options.document_max = 10;
	ask(&world, IQ(ME, ALICE, "set", PRIVATE("<n xmlns='urn:n'/>")));
	sm_world_saw(&world.sent, "<not-acceptable ");
	sm_world_free(&world);
}

static void test_vcard(void **state)
{
	struct sm_world world;

	(void)state;
	setup(&world);
	world.options.document_max = 200;
#define VCARD(inside) "<vCard xmlns='vcard-temp'>" inside "</vCard>"
	ask(&world, IQ(EVE, ALICE, "get", VCARD("")));
	sm_world_saw(&world.routed, REFUSED);
	ask(&world, IQ(ME, ALICE, "get", VCARD("")));
	sm_world_saw(&world.sent, "<vCard xmlns='vcard-temp'/>");
	ask(&world, IQ(ME, ALICE, "set", VCARD("<FN>Alice</FN>")));
	sm_world_saw(&world.sent, "type='result' id='i'/>");
	ask(&world, IQ(EVE, ALICE, "get", VCARD("")));
	sm_world_saw(&world.routed, VCARD("<FN>Alice</FN>"));
	ask(&world, IQ(EVE, ALICE, "set", VCARD("<FN>Eve</FN>")));
	sm_world_saw(&world.routed, REFUSED);
	world.user->has_account = false;
	ask(&world, IQ(EVE, ALICE, "get", VCARD("")));
	sm_world_saw(&world.errors, "service-unavailable to " EVE);
	world.user->has_account = true;
	sm_world_free(&world);
}

#define INFO  "<query xmlns='http://jabber.org/protocol/disco#info'/>"
#define ITEMS "<query xmlns='http://jabber.org/protocol/disco#items'/>"

static void test_disco(void **state)
{
	static const struct member component = { .name = (char *)"muc",
						 .kind = (char *)"component" };
	static const struct member role = { .name = (char *)"sm-1",
					    .kind = (char *)"sm" };
	char *abuse[] = { (char *)"mailto:abuse@example.org", NULL };
	struct sm_world world;

	(void)state;
	setup(&world);
	world.domain_options.contact_abuse = abuse;
	ask(&world, IQ(EVE, "example.org", "get", INFO));
	assert_non_null(strstr(buf_data(&world.routed),
			       "<identity category='server' type='im' "
			       "name='Chappe'/>"));
	assert_non_null(strstr(buf_data(&world.routed),
			       "<feature var='urn:xmpp:ping'/>"));
	sm_world_saw(&world.routed,
		     "<field var='abuse-addresses' type='list-multi'><value>"
		     "mailto:abuse@example.org</value></field></x>");
	members_set(world.members, "muc.example.org", &component, 1);
	members_set(world.members, "notexample.org", &component, 1);
	members_set(world.members, "sm-1", &role, 1);
	members_set(world.members, "example.org", &role, 1);
	ask(&world, IQ(EVE, "example.org", "get", ITEMS));
	assert_int_equal(sm_world_count(&world.routed, "<item"), 1);
	sm_world_saw(&world.routed, "<item jid='muc.example.org'/>");
	ask(&world, IQ(EVE, "example.org", "get",
		       "<query xmlns='http://jabber.org/protocol/disco#info' "
		       "node='x'/>"));
	sm_world_saw(&world.routed, "<item-not-found ");
	/* Accounts: for those who may see them. */
	ask(&world, IQ("friend@x/r", ALICE, "get", INFO));
	sm_world_saw(&world.routed,
		     "<identity category='account' type='registered'/>");
	ask(&world, IQ("friend@x/r", ALICE, "get", ITEMS));
	sm_world_saw(&world.routed, "<item jid='" ME "'/>");
	ask(&world, IQ(EVE, ALICE, "get", INFO));
	sm_world_saw(&world.routed, REFUSED);
	ask(&world, IQ(EVE, ALICE, "get", ITEMS));
	sm_world_saw(&world.routed, REFUSED);
	sm_world_free(&world);
}

/* XEP-0115 section 5.1, over what disco#info says with this form. */
static void test_caps(void **state)
{
	static const char text[] =
		"server/im//Chappe<"
		"http://jabber.org/protocol/caps<"
		"http://jabber.org/protocol/disco#info<"
		"http://jabber.org/protocol/disco#items<"
		"jabber:iq:last<jabber:iq:private<jabber:iq:register<"
		"jabber:iq:roster<jabber:iq:version<msgoffline<"
		"urn:xmpp:ping<urn:xmpp:time<vcard-temp<"
		"http://jabber.org/network/serverinfo<"
		"abuse-addresses<mailto:a@x<xmpp:b@x<"
		"support-addresses<xmpp:c@x<";
	char *abuse[] = { (char *)"xmpp:b@x", (char *)"mailto:a@x", NULL };
	char *support[] = { (char *)"xmpp:c@x", NULL };
	unsigned char digest[DIGEST_MAX];
	struct domain_options reloaded = { 0 };
	struct buf ver = { 0 };
	struct sm_world world;
	char *xml;

	(void)state;
	setup(&world);
	world.domain_options.contact_abuse = abuse;
	world.domain_options.contact_support = support;
	crypto_digest(DIGEST_SHA1, text, sizeof(text) - 1, digest);
	base64_encode(&ver, digest, digest_size(DIGEST_SHA1));
	assert_string_equal(disco_caps_ver(&world.sm, &world.domain),
			    buf_data(&ver));
	xml = mem_printf(
		IQ(EVE, "example.org", "get",
		   "<query xmlns='http://jabber.org/protocol/disco#info' "
		   "node='http://any/#%s'/>"),
		buf_data(&ver));
	ask(&world, xml);
	sm_world_saw(&world.routed, "category='server'");
	mem_free(xml);
	world.domain.options = &reloaded;
	assert_string_not_equal(disco_caps_ver(&world.sm, &world.domain),
				buf_data(&ver));
	buf_free(&ver);
	sm_world_free(&world);
}

#define REGISTER(inside) "<query xmlns='jabber:iq:register'>" inside "</query>"
#define USER(name, password)                                                   \
	REGISTER("<username>" name "</username><password>" password            \
		 "</password>")

static void test_register(void **state)
{
	struct sm_world world;

	(void)state;
	setup(&world);
	ask_answered(&world, IQ(ME, "example.org", "get", REGISTER("")));
	sm_world_saw(&world.sent, "<registered/><username>alice</username>");
	ask_answered(&world, IQ(EVE, "example.org", "get", REGISTER("")));
	sm_world_saw(&world.routed, REFUSED);
	ask_answered(&world, IQ(ME, "example.org", "set", USER("alice", "s3cret")));
	/* There is no account in the storage; and no password comes back. */
	assert_int_equal(sm_world_count(&world.sent, "s3cret"), 0);
	sm_world_saw(&world.sent, "<registration-required ");
	ask_answered(&world, IQ(ME, "example.org", "set", USER("bob", "s3cret")));
	assert_int_equal(sm_world_count(&world.sent, "s3cret"), 0);
	sm_world_saw(&world.sent, "<not-allowed ");
	ask_answered(&world, IQ(ME, "example.org", "set", USER("alice", "")));
	sm_world_saw(&world.sent, "<bad-request ");
	ask_answered(&world, IQ(ME, "example.org", "set",
				REGISTER("<remove/><username>alice</username>")));
	sm_world_saw(&world.sent, "<bad-request ");
	assert_false(world.removed);
	ask_answered(&world, IQ(ME, "example.org", "set", REGISTER("<remove/>")));
	sm_world_saw(&world.sent, "type='result' id='i'/>");
	assert_true(world.removed);
	world.domain.auth_count = 0;
	ask_answered(&world, IQ(ME, "example.org", "set", REGISTER("<remove/>")));
	sm_world_saw(&world.sent, REFUSED);
	sm_world_free(&world);
}

static void registration(struct sm_world *world, const char *xml)
{
	const struct sm_module *module = NULL;
	struct registration *new = mem_new(struct registration);

	for (size_t i = 0; i < world->sm.module_count; i++) {
		if (world->sm.modules[i]->registration != NULL)
			module = world->sm.modules[i];
	}
	assert_non_null(module);
	new->sm = &world->sm;
	new->domain = &world->domain;
	new->address = mem_strdup("192.0.2.1");
	new->iq = stanza_parse(world->sm.parser, &stream_ns_client, xml,
			       strlen(xml), NULL);
	new->work = work_hold(&world->work);
	buf_clear(&world->answers, 0);
	module->registration(new);
	sm_world_settle(world);
	while (world->answers.len == 0)
		world_run(&world->world, 10);
}

#define NEW(type, inside) "<iq type='" type "' id='r'>" inside "</iq>"

static void test_new_accounts(void **state)
{
	struct sm_world world;

	(void)state;
	setup(&world);
	registration(&world, NEW("get", REGISTER("")));
	sm_world_saw(&world.answers, "<username/><password/></query>");
	registration(&world, NEW("set", USER("", "p")));
	sm_world_saw(&world.answers, "<not-acceptable ");
	registration(&world, NEW("set", USER("a@b", "p")));
	sm_world_saw(&world.answers, "<jid-malformed ");
	registration(&world, NEW("set", REGISTER("<remove/>")));
	sm_world_saw(&world.answers, "<unexpected-request ");
	registration(&world, NEW("set", USER("Carol", "s3cret")));
	sm_world_saw(&world.answers, "type='result'");
	registration(&world, NEW("set", USER("carol", "s3cret")));
	assert_int_equal(sm_world_count(&world.answers, "s3cret"), 0);
	sm_world_saw(&world.answers, "<conflict ");
	registration(&world, NEW("set", USER("dave", "s3cret")));
	sm_world_saw(&world.answers, "type='result'");
	/* From one address no more than so many. */
	registration(&world, NEW("set", USER("erin", "s3cret")));
	sm_world_saw(&world.answers, "<resource-constraint ");
	sm_world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_last),
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_vcard),
		cmocka_unit_test(test_disco),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_register),
		cmocka_unit_test(test_new_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
