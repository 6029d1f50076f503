# SPDX-License-Identifier: Apache-2.0
#
# Unit tests of storage; t/unit/local.mk shows how to add one.

STORAGE_WORLD = t/unit/storage_world.c t/unit/storage_world.h

UNIT_TESTS += t/unit/test_storage
t_unit_test_storage_SOURCES = t/unit/test_storage.c $(STORAGE_WORLD)
t_unit_test_storage_LDADD = $(STORAGE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += t/unit/test_auth
t_unit_test_auth_SOURCES = t/unit/test_auth.c $(STORAGE_WORLD)
t_unit_test_auth_LDADD = $(STORAGE_LIBS) $(CMOCKA_LIBS)
