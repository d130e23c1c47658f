/** The machine under the relay: disk, file system, limits, versions. */
import { readFile, statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import type { Report } from './finding.ts';
import type { DoctorSettings, FileSystem, Machine } from './ports.ts';

const GIBI = 2 ** 30;
/** linux/magic.h */
const VOLATILE: Readonly<Record<number, string>> = { 0x01021994: 'tmpfs', 0x858458f6: 'ramfs' };
const REMOTE: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB',
  0x517b: 'SMB',
  0x65735546: 'FUSE',
  0x01021997: '9p',
};
const OWN_FILES = 256;

export const thisMachine: Machine = {
  addresses: () => Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []),
  async fileSystem(path) {
    const { type, bavail, bsize, files, ffree } = await statfs(path);
    return { type: type >>> 0, free: bavail * bsize, inodes: files, inodesFree: ffree };
  },
  async openFiles() {
    try {
      const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(await readFile('/proc/self/limits', 'utf8')) ?? [];
      return soft === undefined ? undefined : soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
    } catch {
      return undefined; // not Linux
    }
  },
  userId: () => process.getuid?.(),
  nodeVersion: () => process.versions.node,
};

export function judgeDisk(report: Report, settings: DoctorSettings, { type, free, inodes, inodesFree }: FileSystem): void {
  const { dataDirectory, reception } = settings;
  const named = VOLATILE[type];
  if (named !== undefined)
    report.error('data-volatile', dataDirectory, {
      what: `the data directory ${dataDirectory} is on ${named}`,
      why: 'A reboot loses all accepted mail: what was answered with 250 is then nowhere (P1)',
      remedy: ['data-directory: a directory on a disk, such as /var/lib/bridgehead'],
    });
  const remote = REMOTE[type];
  if (remote !== undefined)
    report.warning('data-remote', dataDirectory, {
      what: `the data directory ${dataDirectory} is on ${remote}`,
      why: 'Locks and syncs of network file systems do not hold what the spool promises: mail can be lost in a crash of the server',
      remedy: ['data-directory: a directory on a local disk'],
    });
  const room = Math.max(GIBI, 20 * reception.messageSize);
  if (free < room)
    report.add(free < 4 * reception.messageSize ? 'error' : 'warning', 'disk-low', dataDirectory, {
      what: `${(free / GIBI).toFixed(1)} GiB are free for ${dataDirectory}; one message may have ${Math.round(reception.messageSize / 2 ** 20)} MiB`,
      why: 'When it is full, mail is refused with 452 until there is room again',
      remedy: [`df -h ${dataDirectory}`, 'bridgehead status   # is the queue large?'],
    });
  if (inodes > 0 && inodesFree < Math.max(10_000, inodes / 50))
    report.warning('inodes-low', dataDirectory, {
      what: `${inodesFree} of ${inodes} inodes are free for ${dataDirectory}`,
      why: 'Large messages take a file each: without inodes mail is refused although there is room',
      remedy: [`df -i ${dataDirectory}`],
    });
}

/** Of the relay's own process: known where it answers itself. */
export function judgeProcess(
  report: Report,
  settings: DoctorSettings,
  facts: { readonly openFiles: number | undefined; readonly userId: number | undefined },
): void {
  const needed =
    settings.reception.limits.connections.most +
    settings.routing.connectors.reduce((sum, { connections }) => sum + connections, 0) +
    OWN_FILES;
  if (facts.openFiles === undefined) report.unknown('how many files the relay may have open', 'this system does not tell');
  else if (facts.openFiles < needed)
    report.warning('open-files-low', 'limits.connections', {
      what: `the relay may have ${facts.openFiles} files open, and limits.connections ${settings.reception.limits.connections.most} with the connectors needs ${needed}`,
      why: 'Before the limit of sessions is reached, the system refuses new ones, and deliveries with them (EMFILE)',
      remedy: [
        `LimitNOFILE=${needed} in the service file`,
        `or limits: { connections: ${Math.max(100, facts.openFiles - OWN_FILES - (needed - OWN_FILES - settings.reception.limits.connections.most))} }`,
      ],
    });
  if (facts.userId === 0)
    report.warning('running-as-root', 'relay', {
      what: 'the relay runs as root',
      why: 'A fault in it would be a fault of the whole machine; for port 25 it needs no more than CAP_NET_BIND_SERVICE',
      remedy: ['config/bridgehead.service: User=bridgehead, AmbientCapabilities=CAP_NET_BIND_SERVICE'],
    });
}

export function judgeNode(report: Report, version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 24 || (major === 24 && minor >= 12)) return;
  report.error('node-old', 'node', {
    what: `Node ${version} runs this`,
    why: 'Bridgehead needs 24.12 or newer',
    remedy: ['node --version'],
  });
}
