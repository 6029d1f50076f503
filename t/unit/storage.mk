# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of storage; t/unit/local.mk shows how to add one.

# What the storage stands on, and no more.
STORAGE_TEST_LIBS = storage/libstorage.a $(NET_LIBS) $(MICROHTTPD_LIBS) \
	$(SQLITE_LIBS) $(DL_LIBS)

STORAGE_WORLD = t/unit/storage_world.c t/unit/storage_world.h

UNIT_TESTS += t/unit/test_storage
t_unit_test_storage_SOURCES = t/unit/test_storage.c $(STORAGE_WORLD)
t_unit_test_storage_LDADD = $(STORAGE_TEST_LIBS) $(CMOCKA_LIBS)
t_unit_test_storage_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)
EXTRA_t_unit_test_storage_DEPENDENCIES = $(driver_LTLIBRARIES)

if POSTGRES
UNIT_TESTS += t/unit/test_postgres
t_unit_test_postgres_SOURCES = t/unit/test_postgres.c $(STORAGE_WORLD) \
	storage/postgres_options.c
t_unit_test_postgres_CPPFLAGS = $(AM_CPPFLAGS) $(PQ_CFLAGS)
t_unit_test_postgres_LDADD = $(STORAGE_TEST_LIBS) $(PQ_LIBS) $(CMOCKA_LIBS)
t_unit_test_postgres_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)
EXTRA_t_unit_test_postgres_DEPENDENCIES = storage/postgres.la
endif

UNIT_TESTS += t/unit/test_ldap
t_unit_test_ldap_SOURCES = t/unit/test_ldap.c $(LDAP_PLAIN) \
	storage/ldap_options.c
t_unit_test_ldap_LDADD = $(STORAGE_LIBS) $(CMOCKA_LIBS)

if LDAP
UNIT_TESTS += t/unit/test_ldap_person
t_unit_test_ldap_person_SOURCES = t/unit/test_ldap_person.c $(LDAP_PLAIN) \
	storage/ldap_connection.c storage/ldap_connect.c \
	storage/ldap_directory.c storage/ldap_person.c \
	storage/ldap_sync.c storage/ldap_options.c
t_unit_test_ldap_person_CPPFLAGS = $(AM_CPPFLAGS) $(LDAP_CFLAGS)
t_unit_test_ldap_person_LDADD = $(STORAGE_LIBS) $(LDAP_LIBS) $(CMOCKA_LIBS)
endif

UNIT_TESTS += t/unit/test_auth
t_unit_test_auth_SOURCES = t/unit/test_auth.c $(STORAGE_WORLD)
t_unit_test_auth_LDADD = $(STORAGE_TEST_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_storage_faults
t_unit_test_storage_faults_SOURCES = t/unit/test_storage_faults.c \
	$(STORAGE_WORLD)
t_unit_test_storage_faults_LDADD = $(STORAGE_TEST_LIBS) $(CMOCKA_LIBS)

# The test stands for a role: it exports what drivers call.
UNIT_TESTS += t/unit/test_driver
t_unit_test_driver_SOURCES = t/unit/test_driver.c $(STORAGE_WORLD)
t_unit_test_driver_LDADD = $(STORAGE_TEST_LIBS) $(CMOCKA_LIBS)
t_unit_test_driver_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)
EXTRA_t_unit_test_driver_DEPENDENCIES = t/drivers/example.la t/drivers/old.la

UNIT_TESTS += t/unit/test_people
t_unit_test_people_SOURCES = t/unit/test_people.c $(STORAGE_WORLD)
t_unit_test_people_LDADD = $(STORAGE_TEST_LIBS) $(CMOCKA_LIBS)
t_unit_test_people_LDFLAGS = $(AM_LDFLAGS) $(LDFLAGS_KEEP)
EXTRA_t_unit_test_people_DEPENDENCIES = t/drivers/people.la

# With -rpath libtool makes a shared object of what is not installed.
LDFLAGS_TEST_MODULE = $(LDFLAGS_MODULE) -rpath /nowhere
check_LTLIBRARIES += t/drivers/example.la t/drivers/old.la \
	t/drivers/people.la
t_drivers_example_la_SOURCES = t/drivers/example_driver.c
t_drivers_example_la_LDFLAGS = $(LDFLAGS_TEST_MODULE)
t_drivers_old_la_SOURCES = t/drivers/old_driver.c
t_drivers_old_la_LDFLAGS = $(LDFLAGS_TEST_MODULE)
t_drivers_people_la_SOURCES = t/drivers/people_driver.c
t_drivers_people_la_LDFLAGS = $(LDFLAGS_TEST_MODULE)

UNIT_TESTS += t/unit/test_pipe_protocol
t_unit_test_pipe_protocol_SOURCES = t/unit/test_pipe_protocol.c
t_unit_test_pipe_protocol_LDADD = $(STORAGE_LIBS) $(CMOCKA_LIBS)
