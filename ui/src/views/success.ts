import type { Column } from '../components/DataTable.svelte'
import { live } from '../lib/app'
import { percent } from '../lib/format'
import type { QueueItem } from '../lib/types/document'

/** Where kinds of jobs are not known, queues have what agents have elsewhere: the share of attempts that ended well; else no column. */
export function successColumn(rows: QueueItem[], width: string): Column<QueueItem>[] {
  if (!live.lacks('kinds') || rows.every((row) => row.ended_24h == null)) return []
  return [
    {
      name: 'success',
      title: 'Success',
      hint: 'of the attempts that ended in 24 hours',
      width,
      class: 'num',
      text: ({ ended_24h: all, failed_24h: failed }) => percent(all ? (100 * (all - (failed ?? 0))) / all : null),
    },
  ]
}
