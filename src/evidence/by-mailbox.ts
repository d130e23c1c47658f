/** Evidence as operators ask for it: a recipient is found by any of its addresses (contract.md, `trace`). */

import { type Mailbox, parseMailbox } from '../mail/address.ts';
import type { EvidenceAnswer, EvidenceFilter } from './filter.ts';

interface Evidence {
  query(filter: EvidenceFilter): Promise<EvidenceAnswer>;
}

export function byAnyAddress(evidence: Evidence, directory: { addressesOf(address: Mailbox): readonly Mailbox[] }): Evidence {
  return {
    query({ recipient, ...rest }) {
      if (recipient === undefined) return evidence.query(rest);
      const mailbox = parseMailbox(recipient);
      const others = mailbox === undefined ? [] : directory.addressesOf(mailbox).map(({ address }) => address);
      return evidence.query({ ...rest, recipients: [...new Set([recipient, ...others])] });
    },
  };
}
