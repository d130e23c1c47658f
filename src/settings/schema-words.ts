/** The words beside a setting: what it means, why its default is what it is, and a default that no single value can tell. */
import { z } from 'zod';

/** Gives a setting its line in the reference. `reason` is for the default; `otherwise` says a default that is worked out. */
export function says<T extends z.ZodType>(setting: T, meaning: string, reason?: string, otherwise?: string): T {
  return setting.meta({
    description: meaning,
    ...(reason === undefined ? {} : { reason }),
    ...(otherwise === undefined ? {} : { otherwise }),
  });
}

/** The switch of the protocol log, for a listener and for a connector. */
export function protocolLog() {
  return says(
    z.enum(['on', 'off']).default('off'),
    "Write down what is said on its connections, in the form of Exchange's protocol log, under `protocol-log` in the data directory; never content, never credentials",
    'for the hours in which somebody looks at a connection; a reload turns it on and off',
  );
}
