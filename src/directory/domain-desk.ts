/** The accepted domains as an operator sees them: their proof, and where the MX points. */
import type { DomainProof, DomainProofs } from './domain-proof.ts';
import type { MxSwitched, MxSwitches } from './mx-switch.ts';

export interface DeskDomain {
  readonly name: string;
  readonly type: string;
  readonly unknownRecipients: string;
}

/** `domain list --json` and `domain verify --json`. */
export interface ListedDomain {
  readonly domain: string;
  readonly type: string;
  readonly 'unknown-recipients': string;
  readonly mx: 'relay' | 'cloud';
  readonly 'mx-since': string | null;
  readonly proof: Omit<DomainProof, 'domain' | 'severity'> | null;
}

export class DomainDesk {
  readonly #domains: () => readonly DeskDomain[];
  readonly #proofs: DomainProofs;
  readonly #mx: MxSwitches;

  constructor(domains: () => readonly DeskDomain[], proofs: DomainProofs, mx: MxSwitches) {
    this.#domains = domains;
    this.#proofs = proofs;
    this.#mx = mx;
  }

  list(): ListedDomain[] {
    const proofs = new Map(this.#proofs.list().map((proof) => [proof.domain, proof]));
    return this.#domains().map((domain) => this.#listed(domain, proofs.get(domain.name)));
  }

  /** Asks DNS now, or lets the domain through without. `undefined`: no such domain. */
  async verify(
    name: string,
    override: { readonly who: string; readonly reason: string } | undefined,
  ): Promise<ListedDomain | undefined> {
    const domain = this.#domains().find((one) => one.name === name.toLowerCase());
    if (domain === undefined) return undefined;
    const proof = override === undefined ? await this.#proofs.verify(domain.name) : this.#proofs.override(domain.name, override);
    return this.#listed(domain, proof);
  }

  mx(
    name: string,
    request: { readonly mx: 'relay' | 'cloud'; readonly 'with-remaining'?: boolean | undefined },
    { who }: { readonly who: string },
  ): Promise<MxSwitched | undefined> {
    return this.#mx.switch({ domain: name, to: request.mx, withRemaining: request['with-remaining'] === true, who });
  }

  #listed({ name, type, unknownRecipients }: DeskDomain, proof: DomainProof | undefined): ListedDomain {
    const state = this.#mx.state(name);
    const { domain: _, severity: __, ...facts } = proof ?? { domain: '', severity: 'info' };
    return {
      domain: name,
      type,
      'unknown-recipients': unknownRecipients,
      mx: state?.mx ?? 'relay',
      'mx-since': state?.since ?? null,
      proof: proof === undefined ? null : (facts as NonNullable<ListedDomain['proof']>),
    };
  }
}
