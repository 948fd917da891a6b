"""What kernels print, in the forms that people paste. Numbers are made up, or are of the recordings in tests/data."""

BUDDY = """\
Node 0, zone      DMA      1      1      1      0      2      1      1      0      1      1      3
Node 0, zone    DMA32    759    572    791    475    194     45     12      0      0      0      0
Node 0, zone   Normal   1983      0      0      0      0      0      0      0      0      0      0
"""
TYPES = """\
Page block order: 9
Pages per block:  512

Free pages count per migrate type at order       0      1      2      3      4      5      6      7      8      9     10
Node    0, zone   Normal, type    Unmovable    157    586    393    245    130     61     37     19      3      0      0
Node    0, zone   Normal, type      Movable >100000      1      1      1      0      0      1      0      0      0     24
Node    0, zone   Normal, type  Reclaimable      1      1      8      2      6      0      1      2      0      0      0

Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic
Node 0, zone   Normal           33          210            5            0

Number of mixed blocks    Unmovable      Movable  Reclaimable   HighAtomic
Node 0, zone   Normal            7            2            1            0
"""
MEM_INFO = """\
kworker/u8:3: page allocation failure: order:4, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0
CPU: 1 PID: 3923 Comm: kworker/u8:3 Not tainted 6.1.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x44/0x5c
 </TASK>
Mem-Info:
active_anon:1975 inactive_anon:38762 isolated_anon:0
 free:14926 free_pcp:62 free_cma:0
Node 0 active_anon:7900kB inactive_anon:155048kB active_file:0kB all_unreclaimable? no
Node 0 Normal free:59704kB boost:0kB min:22160kB low:27700kB high:33240kB reserved_highatomic:0KB present:507904kB managed:421236kB
lowmem_reserve[]: 0 0 0 0 0
Node 0 Normal: 1056*4kB (UMEH) 1027*8kB (UMEH) 400*16kB (UMEH) 287*32kB (UMEH) 105*64kB (UMEH) 71*128kB (UM) 42*256kB (M) \
10*512kB (M) 0*1024kB 0*2048kB 0*4096kB = 59704kB
Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB
9 total pagecache pages
"""
INDICES = """\
Node 0, zone      DMA -1.000 0.500 0.750 0.875 0.937 0.969 0.984 0.992 0.996 0.998 0.999
Node 0, zone   Normal -1.000 0.-500 0.-250 0.-125 0.-62 0.-31 0.-15 0.-07 0.-03 0.-01 0.000
"""
UNUSABLE = "Node 0, zone   Normal 0.000 0.126 0.314 0.576 0.781 0.904 0.979 1.000 1.000 1.000 1.000\n"
ZONEINFO = """\
Node 0, zone   Normal
  per-node stats
      nr_inactive_anon 38762
      nr_slab_reclaimable 358
  pages free     3808
        boost    0
        min      190
        low      237
        high     284
        spanned  4095
        present  3998
        managed  3840
        cma      0
        protection: (0, 435, 435, 435, 435)
      nr_free_pages 3808
      nr_zspages   12
  pagesets
    cpu: 0
              count: 0
              high:  70
              batch: 63
  vm stats threshold: 6
  node_unreclaimable:  0
  start_pfn:           1
"""
VMSTAT_BEFORE = """\
nr_free_pages 134105
pgmigrate_success 100
pgmigrate_fail 2
compact_migrate_scanned 1000
compact_free_scanned 500
compact_isolated 250
compact_stall 10
compact_fail 1
compact_success 9
thp_fault_alloc 5
thp_fault_fallback 1
allocstall_normal 0
"""
VMSTAT_AFTER = """\
nr_free_pages 130000
pgmigrate_success 300
pgmigrate_fail 7
compact_migrate_scanned 31000
compact_free_scanned 1500
compact_isolated 700
compact_stall 1198
compact_fail 235
compact_success 963
thp_fault_alloc 5
thp_fault_fallback 1189
allocstall_normal 3
"""
DUMP = """\
migrating pfn 2a41c failed ret:-11
page:00000000d4a5f3b1 refcount:3 mapcount:0 mapping:0000000033bd8fe2 index:0x7f404d925 pfn:0x2a41c
memcg:ffff888100a14000
aops:ext4_da_aops ino:1a2b dentry name:"data.db"
flags: 0x300000000002015(locked|uptodate|lru|private|node=0|zone=3|lastcpupid=0x1fffff)
raw: 0300000000030508 ffffed312c4bc908 ffffed312c4bc9c8 0000000000000000
raw: 00000007f404d925 00000000000c823b 00000003ffffffff 0000000000000000
page dumped because: migration failure
page_owner tracks the page as allocated
page last allocated via order 0, migratetype Movable, gfp_mask 0x152c4a(GFP_NOFS), pid 312, tgid 312 (postgres), ts 1234, free_ts 0
"""
CMA = """\
cma: cma_alloc: reserved: alloc failed, req-size: 512 pages, ret: -16
cma: number of available pages: 4@572+7@585+346@1701=> 357 free of 4096 total pages
alloc_contig_range: [a0000, a0200) PFNs busy
"""
NUMA_MAPS = """\
55d2b0a00000 default file=/usr/bin/bash mapped=47 mapmax=3 N0=40 N1=7 kernelpagesize_kB=4
7f1c00000000 interleave:0-1 anon=512 dirty=512 N0=256 N1=256 kernelpagesize_kB=4
7ffd12340000 bind:0 stack anon=3 dirty=3 N0=3 kernelpagesize_kB=4
"""
MM_STAT = "33079296 17289216 27983872        0 28000256        0        0      144      144\n"
COMPSNOOP = """\
COMM           PID    NODE ZONE         ORDER MODE                      LAT(ms)           STATUS
zsh            23685  0    ZONE_DMA     -1    SYNC                        0.025         complete
my task        23686  0    ZONE_NORMAL  9     SYNC                        3.925         partial_skipped
kcompactd0     42     0    ZONE_NORMAL  9     ASYNC                       1.000         success
"""
TRACE = """\
# tracer: nop
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
      kcompactd0-42      [001] .....  10.268020: mm_compaction_begin: zone_start=0x100 migrate_pfn=0x107 free_pfn=0x215 \
zone_end=0x880, mode=sync
      kcompactd0-42      [001] .....  10.268022: mm_compaction_isolate_migratepages: range=(0x107 ~ 0x1c0) \
nr_scanned=265 nr_taken=255
      kcompactd0-42      [001] .....  10.268382: mm_compaction_isolate_freepages: range=(0x215 ~ 0x21a) \
nr_scanned=13 nr_taken=128
      kcompactd0-42      [001] .....  10.268391: mm_compaction_migratepages: nr_migrated=255 nr_failed=0
      kcompactd0-42      [001] .....  10.268400: mm_compaction_end: zone_start=0x100 migrate_pfn=0x1c0 free_pfn=0x215 \
zone_end=0x880, mode=sync status=success
"""
EVERYTHING = {
    "buddyinfo": BUDDY, "pagetypeinfo": TYPES, "mem-info": MEM_INFO, "extfrag_index": INDICES, "zoneinfo": ZONEINFO,
    "vmstat": VMSTAT_BEFORE, "dump": DUMP, "cma": CMA, "numa_maps": NUMA_MAPS, "mm_stat": MM_STAT, "compsnoop": COMPSNOOP,
    "trace": TRACE,
}  # fmt: skip
MEMINFO = """\
MemTotal:         984856 kB
MemFree:          536456 kB
MemAvailable:     467304 kB
Active(anon):       7912 kB
AnonPages:        307496 kB
AnonHugePages:     30720 kB
SUnreclaim:         9188 kB
CmaTotal:          65536 kB
CmaFree:           60000 kB
HugePages_Total:      20
HugePages_Free:        3
Hugepagesize:       2048 kB
"""
DRSNOOP = """\
COMM           PID     LAT(ms) PAGES
summond        17678      0.19   143
my task        17669      0.55   313
"""
PERF_STAT = """\
 Performance counter stats for 'system wide':

         1.234.567      compaction:mm_compaction_begin
             4,400      compaction:mm_compaction_end           (99.1%)

      10.002212333 seconds time elapsed
"""
COMPACTION_TIMES = """\
total: 2444505743ns migration: moved=357738 failed=39275
free_scanner: scanned=2705578 isolated=387875
migration_scanner: scanned=814426 isolated=397013
"""
BPFTRACE = """\
$ bpftrace -e 'tracepoint:compaction:mm_compaction_begin { @[comm] = count(); }'
Attaching 1 probe...
@[kcompactd0]: 12
@[khugepaged]: 3
"""
ZRAMCTL = """\
NAME       ALGORITHM DISKSIZE  DATA COMPR TOTAL STREAMS MOUNTPOINT
/dev/zram0 lzo-rle       7,7G  1,2G  311M  330M       8 [SWAP]
/dev/zram1 zstd          256M    4K   59B    4K       8
"""
ALONE = {
    "meminfo": MEMINFO, "drsnoop": DRSNOOP, "perf stat": PERF_STAT, "compaction times": COMPACTION_TIMES, "bpftrace": BPFTRACE,
    "zramctl": ZRAMCTL, "zoneinfo": ZONEINFO, "indices": INDICES, "unusable": UNUSABLE,
}  # fmt: skip
"""Kinds that have to answer by themselves."""
