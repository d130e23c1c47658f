/** Evidence as operators ask for it: a recipient is found by any of its addresses (contract.md, `trace`). */

import { type Mailbox, parseMailbox } from '../mail/address.ts';
import type { EvidenceAnswer, EvidenceFilter } from './filter.ts';

interface Evidence {
  query(filter: EvidenceFilter): Promise<EvidenceAnswer>;
}

/** Who else a mailbox is: its aliases, its routing addresses, the forms in which replies to old mail come (R9). */
export interface AddressBook {
  addressesOf(address: Mailbox): readonly string[];
}

export function byAnyAddress(evidence: Evidence, directory: AddressBook): Evidence {
  return {
    query({ recipient, ...rest }) {
      if (recipient === undefined) return evidence.query(rest);
      const mailbox = parseMailbox(recipient);
      const others = mailbox === undefined ? [] : directory.addressesOf(mailbox);
      return evidence.query({ ...rest, recipients: [...new Set([recipient, ...others])] });
    },
  };
}
