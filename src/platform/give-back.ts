/** What glibc is told at the start of a process: to give back what a burst took. The unit file says the same (config/bridgehead.service). */
export const GIVE_BACK = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 20),
  MALLOC_MMAP_THRESHOLD_: String(2 ** 17),
} as const;
