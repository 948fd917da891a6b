/* Searching sorted arrays. */
#include <linux/sort.h>
