/* Integer types, lists' nodes and the few types that every header needs. */
#ifndef _LINUX_TYPES_H
#define _LINUX_TYPES_H
typedef unsigned char u8, __u8, uint8_t, unchar;
typedef unsigned short u16, __u16, uint16_t, ushort, umode_t;
typedef unsigned int u32, __u32, uint32_t, uint, gfp_t, fmode_t, slab_flags_t;
typedef unsigned long long u64, __u64, uint64_t;
typedef signed char s8, __s8, int8_t;
typedef short s16, __s16, int16_t;
typedef int s32, __s32, int32_t, pid_t;
typedef long long s64, __s64, int64_t, loff_t, time64_t;
typedef unsigned long size_t, uintptr_t, ulong, pgoff_t, phys_addr_t, dma_addr_t, sector_t;
typedef long ssize_t, intptr_t, ptrdiff_t;
typedef u16 __le16, __be16, __virtio16;
typedef u32 __le32, __be32, __virtio32, dev_t, mode_t;
typedef u64 __le64, __be64, __virtio64;
typedef _Bool bool;
typedef struct { int counter; } atomic_t;
typedef struct { long counter; } atomic_long_t;
typedef struct { long long counter; } atomic64_t;
struct list_head { struct list_head *next, *prev; };
struct hlist_head { struct hlist_node *first; };
struct hlist_node { struct hlist_node *next, **pprev; };
#define true 1
#define false 0
#ifndef NULL
#define NULL ((void *)0)
#endif
#endif
