/** The words beside a setting: what it means, why its default is what it is, and a default that no single value can tell. */
import type { z } from 'zod';

/** Gives a setting its line in the reference. `reason` is for the default; `otherwise` says a default that is worked out. */
export function says<T extends z.ZodType>(setting: T, meaning: string, reason?: string, otherwise?: string): T {
  return setting.meta({
    description: meaning,
    ...(reason === undefined ? {} : { reason }),
    ...(otherwise === undefined ? {} : { otherwise }),
  });
}
