/* Checksums of bytes. */
#include <linux/jhash.h>
