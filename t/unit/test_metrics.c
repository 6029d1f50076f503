/* SPDX-License-Identifier: Apache-2.0
 *
 * The exposition format: escaping, numbers, histograms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "util/role/metrics.h"

static void test_lines(void **state)
{
	struct buf to = { .data = NULL };

	(void)state;
	metrics_counter(&to, "a_total", "Back\\slash \"and\"\nline.",
			UINT64_MAX);
	metrics_gauge(&to, "b", "B.", -3);
	assert_string_equal(buf_data(&to),
			    "# HELP a_total Back\\\\slash \"and\"\\nline.\n"
			    "# TYPE a_total counter\n"
			    "a_total 18446744073709551615\n"
			    "# HELP b B.\n# TYPE b gauge\nb -3\n");
	buf_free(&to);
}

static void test_labels(void **state)
{
	struct buf labels = { .data = NULL }, to = { .data = NULL };

	(void)state;
	metrics_label(&labels, "kind", "a\"b\\c\nd");
	metrics_label(&labels, "x", "");
	metrics_sample(&to, "n", buf_data(&labels), 2);
	assert_string_equal(buf_data(&to),
			    "n{kind=\"a\\\"b\\\\c\\nd\",x=\"\"} 2\n");
	buf_free(&labels);
	buf_free(&to);
}

static void test_numbers(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "n 0\n" },		      { 0.25, "n 0.25\n" },
		{ -1.5, "n -1.5\n" },	      { 1e15, "n 1000000000000000\n" },
		{ 1e300, "n 1e+300\n" },      { INFINITY, "n +Inf\n" },
		{ -INFINITY, "n -Inf\n" },    { NAN, "n NaN\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf to = { .data = NULL };

		metrics_sample(&to, "n", NULL, cases[i].value);
		assert_string_equal(buf_data(&to), cases[i].text);
		buf_free(&to);
	}
}

static void test_histogram(void **state)
{
	static const double bounds[] = { 0.001, 0.01, INFINITY };
	static const uint64_t counts[] = { 1, 2, 3 };
	struct buf to = { .data = NULL };

	(void)state;
	metrics_histogram(&to, "h", "H.", bounds, counts, 2, 0.5);
	assert_string_equal(buf_data(&to),
			    "# HELP h H.\n# TYPE h histogram\n"
			    "h_bucket{le=\"0.001\"} 1\n"
			    "h_bucket{le=\"0.01\"} 3\n"
			    "h_bucket{le=\"+Inf\"} 3\nh_sum 0.5\nh_count 3\n");
	buf_clear(&to, 0);
	metrics_histogram(&to, "h", "H.", bounds, counts, 3, 9);
	assert_string_equal(buf_data(&to),
			    "# HELP h H.\n# TYPE h histogram\n"
			    "h_bucket{le=\"0.001\"} 1\n"
			    "h_bucket{le=\"0.01\"} 3\n"
			    "h_bucket{le=\"+Inf\"} 6\nh_sum 9\nh_count 6\n");
	buf_free(&to);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_histogram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
