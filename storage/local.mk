# SPDX-License-Identifier: Apache-2.0
#
# storage: the interface, the drivers, and their loader.

noinst_LIBRARIES += storage/libstorage.a
storage_libstorage_a_SOURCES = \
	storage/auth.c storage/auth.h \
	storage/auth_derive.c storage/auth_derive.h \
	storage/auth_driver.h \
	storage/auth_storage.c \
	storage/checks.c storage/checks.h \
	storage/driver.h \
	storage/drivers.c storage/drivers.h \
	storage/item.c \
	storage/memory.c \
	storage/pipe.c \
	storage/pipe_options.c storage/pipe_options.h \
	storage/pipe_program.c storage/pipe_program.h \
	storage/pipe_protocol.c storage/pipe_protocol.h \
	storage/people.c storage/people.h storage/people_driver.h \
	storage/schema.h \
	storage/sqlite.c \
	storage/sqlite_admin.c storage/sqlite_admin.h \
	storage/sqlite_db.c storage/sqlite_db.h \
	storage/sqlite_ops.c storage/sqlite_ops.h \
	storage/statements.c storage/statements.h \
	storage/storage.c storage/storage.h \
	storage/storage_admin.h
nodist_storage_libstorage_a_SOURCES = storage/schema.c

# The migrations, in order, become C.
SCHEMA_FILES = $(srcdir)/storage/schema/0001-first-light.sql

storage/schema.c: $(SCHEMA_FILES) $(srcdir)/storage/schema/to_c.awk
	$(AM_V_GEN)$(MKDIR_P) storage && \
	$(AWK) -f $(srcdir)/storage/schema/to_c.awk $(SCHEMA_FILES) \
		>$@.tmp && mv $@.tmp $@

EXTRA_DIST += $(SCHEMA_FILES) storage/schema/to_c.awk
CLEANFILES += storage/schema.c storage/schema.c.tmp

# A driver that is written elsewhere is compiled against these.
nobase_pkginclude_HEADERS += storage/auth.h storage/auth_driver.h \
	storage/driver.h storage/people.h storage/people_driver.h \
	storage/storage.h storage/storage_admin.h \
	util/net/loop.h util/net/timer.h util/net/watch.h util/net/worker.h

# Users' data in PostgreSQL.
if POSTGRES
driver_LTLIBRARIES += storage/postgres.la
storage_postgres_la_SOURCES = \
	storage/postgres.c storage/postgres.h \
	storage/postgres_admin.c storage/postgres_admin.h \
	storage/postgres_batch.c storage/postgres_batch.h \
	storage/postgres_conn.c storage/postgres_conn.h \
	storage/postgres_ops.c storage/postgres_ops.h \
	storage/postgres_options.c storage/postgres_options.h \
	storage/postgres_schema.c storage/postgres_schema.h
storage_postgres_la_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)
# libpq brings OpenSSL, which does not bear being unloaded.
storage_postgres_la_LDFLAGS = $(LDFLAGS_MODULE) -Wl,-z,nodelete
storage_postgres_la_LIBADD = $(PQ_LIBS)
endif

# Who may log in, by a directory. What needs no libldap is in LDAP_PLAIN, for
# the tests, too.
LDAP_PLAIN = \
	storage/ldap_keys.c storage/ldap_keys.h \
	storage/ldap_name.c storage/ldap_name.h \
	storage/ldap_servers.c storage/ldap_servers.h \
	storage/ldap_text.c storage/ldap_text.h

if LDAP
driver_LTLIBRARIES += storage/ldap.la
storage_ldap_la_SOURCES = \
	storage/ldap.c storage/ldap_private.h \
	storage/ldap_cache.c storage/ldap_cache.h \
	storage/ldap_cards.c \
	storage/ldap_connect.c \
	storage/ldap_connection.c storage/ldap_connection.h \
	storage/ldap_directory.c storage/ldap_directory.h \
	storage/ldap_feed.c storage/ldap_feed.h storage/ldap_feed_private.h \
	storage/ldap_groups.c storage/ldap_groups.h \
	storage/ldap_list.c \
	storage/ldap_people.c storage/ldap_people.h \
	storage/ldap_person.c storage/ldap_person.h \
	storage/ldap_poll.c \
	storage/ldap_range.c storage/ldap_range.h \
	storage/ldap_sync.c storage/ldap_sync.h \
	storage/ldap_tree.c storage/ldap_tree.h \
	$(LDAP_PLAIN)
storage_ldap_la_CPPFLAGS = $(AM_CPPFLAGS) $(LDAP_CFLAGS)
storage_ldap_la_LDFLAGS = $(LDFLAGS_MODULE) -Wl,-z,nodelete
storage_ldap_la_LIBADD = $(LDAP_LIBS)
endif

# A loadable driver, installed as $(driverdir)/NAME.so:
#   driver_LTLIBRARIES += storage/NAME.la
#   storage_NAME_la_SOURCES = storage/NAME.c
#   storage_NAME_la_LDFLAGS = $(LDFLAGS_MODULE)
#   storage_NAME_la_LIBADD = $(THEIR_LIBS)
