/** The two steps of mx-connect that we use by themselves: who takes mail for a domain, and at which addresses. */

interface MxDelivery {
  domain: string;
  decodedDomain: string;
  isIp: boolean;
  dnsOptions: {
    ignoreIPv6: boolean;
    resolveRecords: (name: string, type: string) => Promise<unknown[]>;
  };
  mx?: { exchange: string; priority: number; mx: boolean; A: string[]; AAAA: string[] }[];
}

declare module 'mx-connect/lib/resolve-mx.js' {
  export default function resolveMx(delivery: MxDelivery): Promise<MxDelivery>;
}

declare module 'mx-connect/lib/resolve-ip.js' {
  export default function resolveIp(delivery: MxDelivery): Promise<MxDelivery>;
}
