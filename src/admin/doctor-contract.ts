/** The wire types of `doctor`. */
import { z } from 'zod';

const area = z.enum(['dns', 'domains', 'certificates', 'connectors', 'access', 'directory', 'relay', 'machine']);
export const DOCTOR_AREAS = area.options;

export const doctorQuery = z.strictObject({
  only: area.optional().describe('This area alone'),
  offline: z
    .union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')])
    .optional()
    .describe('Ask nobody on the network: no DNS, no policies, no next hops'),
});
export type DoctorQuery = z.output<typeof doctorQuery>;

export const diagnosis = z.object({
  errors: z.int(),
  warnings: z.int(),
  notes: z.int(),
  findings: z
    .array(
      z.object({
        severity: z.enum(['error', 'warning', 'note']),
        area,
        code: z.string().describe('One word for one kind of mistake'),
        subject: z.string().describe('The domain, connector, file or name that it is about'),
        what: z.string(),
        why: z.string(),
        remedy: z.array(z.string()).readonly().describe('What to change or type'),
      }),
    )
    .readonly(),
  unchecked: z
    .array(z.object({ area, what: z.string(), why: z.string() }))
    .readonly()
    .describe('What is not known, and so not called right'),
  'cloud-commands': z
    .array(z.object({ about: z.string(), why: z.string(), lines: z.array(z.string()).readonly() }))
    .readonly()
    .describe('What to type in Exchange Online, with the values of these settings'),
});
export type Diagnosis = z.output<typeof diagnosis>;
