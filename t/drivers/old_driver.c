/* SPDX-License-Identifier: Apache-2.0
 *
 * A driver that was built for another version of the driver interface, to be
 * refused; and none for authentication.
 */
#include "storage/driver.h"

extern const struct storage_driver chappe_storage_driver;
const struct storage_driver chappe_storage_driver = {
	.abi = STORAGE_DRIVER_ABI + 1,
	.name = "old",
};
