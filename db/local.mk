# SPDX-License-Identifier: Apache-2.0
#
# db: chappe-db, what chappectl runs to work on databases.

noinst_LIBRARIES += db/libdb.a
db_libdb_a_SOURCES = db/db.h db/cli.c db/schema.c db/report.c db/stores.c \
	db/pie.h db/pie_kinds.c db/pie_write.c db/pie_read.c db/pie_import.c \
	db/pie_time.c db/pie_user.c db/kind_account.c db/kind_roster.c db/kind_offline.c \
	db/kind_document.c db/kind_block.c \
	db/jabberd2.c db/jabberd2.h db/jabberd2_dump.c db/jabberd2_source.c \
	db/jabberd2_vcard.c

sbin_PROGRAMS += chappe-db
chappe_db_SOURCES = db/main.c
chappe_db_LDADD = db/libdb.a sm/libsmoptions.a $(STORAGE_LIBS)
chappe_db_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)
