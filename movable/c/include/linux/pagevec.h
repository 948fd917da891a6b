/* Pages in small arrays, whose references go together. */
#ifndef _LINUX_PAGEVEC_H
#define _LINUX_PAGEVEC_H
#include <linux/folio.h>
#define PAGEVEC_SIZE 15
struct pagevec { unsigned char nr; bool percpu_pvec_drained; struct page *pages[PAGEVEC_SIZE]; };
#define pagevec_init(pv) ((void)((pv)->nr = 0))
#define pagevec_reinit(pv) pagevec_init(pv)
#define pagevec_count(pv) ((unsigned)(pv)->nr)
#define pagevec_space(pv) ((unsigned)(PAGEVEC_SIZE - (pv)->nr))
K_INLINE unsigned pagevec_add(struct pagevec *pv, struct page *page) { pv->pages[pv->nr++] = page; return pagevec_space(pv); }
K_INLINE void pagevec_release(struct pagevec *pv) { while (pv->nr) put_page(pv->pages[--pv->nr]); }
#if MOVABLE_VERSION >= 0x051000
struct folio_batch { unsigned char nr, i; bool percpu_pvec_drained; struct folio *folios[PAGEVEC_SIZE]; };
#define folio_batch_init(batch) ((void)((batch)->nr = (batch)->i = 0))
#define folio_batch_reinit(batch) folio_batch_init(batch)
#define folio_batch_count(batch) ((unsigned)(batch)->nr)
#define folio_batch_space(batch) ((unsigned)(PAGEVEC_SIZE - (batch)->nr))
K_INLINE unsigned folio_batch_add(struct folio_batch *batch, struct folio *folio) { batch->folios[batch->nr++] = folio; return folio_batch_space(batch); }
K_INLINE struct folio *folio_batch_next(struct folio_batch *batch) { return batch->i == batch->nr ? NULL : batch->folios[batch->i++]; }
K_INLINE void folio_batch_release(struct folio_batch *batch) { while (batch->nr) folio_put(batch->folios[--batch->nr]); }
#endif
#endif
