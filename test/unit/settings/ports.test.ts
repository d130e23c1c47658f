/** The settings fit what the parts ask for. The type check does the work; the test keeps the file among the tests. */
import { expect, it } from 'vitest';
import type { BounceSettings } from '../../../src/bounce/ports.ts';
import type { DeliverySettings } from '../../../src/delivery/ports.ts';
import type { DomainProofSettings } from '../../../src/directory/domain-proof.ts';
import type { LiveSettings } from '../../../src/directory/live/sources.ts';
import type { DirectorySettings } from '../../../src/directory/ports.ts';
import type { ReceptionSettings } from '../../../src/reception/ports.ts';
import type { RoutingSettings } from '../../../src/routing/ports.ts';
import type { Settings } from '../../../src/settings/settings.ts';

interface Parts {
  readonly reception: ReceptionSettings;
  readonly delivery: DeliverySettings;
  readonly routing: RoutingSettings;
  readonly bounce: BounceSettings;
  readonly directory: DirectorySettings & LiveSettings;
  readonly domainProof: DomainProofSettings;
}

it('every part of the settings fits the port of its stage', () => {
  const fit = (settings: Settings): Parts => settings;
  expect(fit).toBeTypeOf('function');
});
