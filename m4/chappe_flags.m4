dnl SPDX-License-Identifier: Apache-2.0
dnl
dnl Appends flags to a variable, each only when the compiler or the linker
dnl takes it without a warning.

dnl CHAPPE_ADD_CFLAGS(VARIABLE, FLAGS); flags in one pair of quotes go together
AC_DEFUN([CHAPPE_ADD_CFLAGS], [
	for chappe_flag in $2; do
		AC_MSG_CHECKING([whether $CC takes $chappe_flag])
		chappe_save_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS -Werror $chappe_flag"
		AC_COMPILE_IFELSE([AC_LANG_SOURCE([[#include <string.h>
int main(void) { return 0; }]])],
			[AC_MSG_RESULT([yes])
			 $1="$$1 $chappe_flag"],
			[AC_MSG_RESULT([no])])
		CFLAGS=$chappe_save_CFLAGS
	done
])

dnl CHAPPE_REQUIRE_CFLAGS(VARIABLE, FLAGS, MESSAGE): all of them, or the end
AC_DEFUN([CHAPPE_REQUIRE_CFLAGS], [
	AC_MSG_CHECKING([whether $CC takes $2])
	chappe_save_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -Werror $2"
	AC_LINK_IFELSE([AC_LANG_SOURCE([[int main(void) { return 0; }]])],
		[AC_MSG_RESULT([yes])
		 $1="$$1 $2"],
		[AC_MSG_RESULT([no])
		 AC_MSG_ERROR([$3])])
	CFLAGS=$chappe_save_CFLAGS
])

dnl CHAPPE_ADD_LDFLAGS(VARIABLE, FLAGS)
AC_DEFUN([CHAPPE_ADD_LDFLAGS], [
	for chappe_flag in $2; do
		AC_MSG_CHECKING([whether the linker takes $chappe_flag])
		chappe_save_CFLAGS=$CFLAGS
		chappe_save_LDFLAGS=$LDFLAGS
		CFLAGS="$CFLAGS -fPIE"
		LDFLAGS="$LDFLAGS $chappe_flag"
		AC_LINK_IFELSE(
			[AC_LANG_SOURCE([[int main(void) { return 0; }]])],
			[AC_MSG_RESULT([yes])
			 $1="$$1 $chappe_flag"],
			[AC_MSG_RESULT([no])])
		CFLAGS=$chappe_save_CFLAGS
		LDFLAGS=$chappe_save_LDFLAGS
	done
])
