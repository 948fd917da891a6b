"""The memory: pages, zones, the buddy allocator, migration and compaction, in the kernel's file names."""
