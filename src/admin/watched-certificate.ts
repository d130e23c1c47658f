/** One of our own certificates, as the watch on them knows it. */
import type { KeyPairFiles } from '../platform/key-pair.ts';

/** One place where we show a certificate. */
export interface CertificatePlace extends KeyPairFiles {
  readonly use: 'listener' | 'admin' | 'connector';
  /** The connector's name; for the others as `use`. */
  readonly name: string;
  /** The relay made it for itself. */
  readonly selfMade?: boolean;
}

/** A chain, as whoever reads it describes it (checks/certificate-chain.ts). Times in ISO 8601. */
export interface DescribedChain {
  readonly certificates: readonly {
    readonly subject: string;
    readonly issuer: string;
    readonly names: readonly string[];
    readonly 'valid-from': string;
    readonly 'valid-to': string;
    readonly sha256: string;
    readonly 'self-signed': boolean;
  }[];
  readonly complete: boolean;
  readonly missing: string | null;
  readonly 'fetch-from': string | null;
}

/** What is in use at one place. */
export interface Watched {
  readonly place: CertificatePlace;
  /** Absent: never read. */
  chain?: DescribedChain;
  digest?: string;
  /** Milliseconds since the epoch: when what is in use was read. */
  takenAt?: number;
  stamp?: string;
  /** Why the files as they are now are not in use, and since when. */
  fault?: { readonly problem: string; readonly since: number };
  /** The alarm that was logged last. */
  logged?: string;
}

const DAY = 86_400_000;
/** Days ahead of the end; each tells once. */
const THRESHOLDS = [1, 7, 14, 30] as const;

/** When the first of the chain ends, milliseconds since the epoch; a root that is sent along counts for nothing. */
export function endOf({ chain }: Pick<Watched, 'chain'>): number | undefined {
  const ends = chain?.certificates.filter((one, i) => i === 0 || !one['self-signed']).map((one) => Date.parse(one['valid-to']));
  return ends === undefined || ends.length === 0 ? undefined : Math.min(...ends);
}

/** The alarm that a certificate has reached: `30`, `14`, `7`, `1` days before its end, or `expired`. */
export function thresholdOf(one: Pick<Watched, 'chain'>, now: number): string | undefined {
  const end = endOf(one);
  if (end === undefined) return undefined;
  if (now >= end) return 'expired';
  return THRESHOLDS.find((days) => end - now <= days * DAY)?.toString();
}

/** Where the settings have us show a certificate. */
export function placesOf({
  tls,
  admin,
  connectors,
}: {
  readonly tls: KeyPairFiles & { readonly selfSigned: boolean };
  readonly admin: { readonly tls?: KeyPairFiles };
  readonly connectors: readonly { readonly name: string; readonly tls: Partial<KeyPairFiles> }[];
}): CertificatePlace[] {
  const { certificate, key, selfSigned } = tls;
  return [
    { use: 'listener', name: 'listener', certificate, key, selfMade: selfSigned },
    ...(admin.tls === undefined ? [] : [{ use: 'admin' as const, name: 'admin', ...admin.tls }]),
    ...connectors.flatMap(({ name, tls: own }) =>
      own.certificate === undefined
        ? []
        : [{ use: 'connector' as const, name, certificate: own.certificate, key: own.key ?? own.certificate }],
    ),
  ];
}
