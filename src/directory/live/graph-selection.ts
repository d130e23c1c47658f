/** What is asked of Graph, and what of an answer is kept. Pure. */
import { type GraphObject, USER_PROPERTIES } from '../readers/graph-object.ts';
import type { GraphKind, KeptObject } from './graph-state.ts';

export const GRAPH_SELECT: Readonly<Record<GraphKind, string>> = {
  user: USER_PROPERTIES,
  group: 'id,displayName,mail,mailEnabled,mailNickname,proxyAddresses,onPremisesSyncEnabled',
  contact: 'id,displayName,mail,mailNickname,proxyAddresses,onPremisesSyncEnabled',
};

/** Properties that the reading looks at. */
const KEPT = ['userPrincipalName', 'mail', 'mailEnabled', 'proxyAddresses', 'userType', 'onPremisesSyncEnabled'] as const;
const TYPES: Readonly<Record<GraphKind, string>> = {
  user: '#microsoft.graph.user',
  group: '#microsoft.graph.group',
  contact: '#microsoft.graph.orgContact',
};

/** An object after an answer about it: a delta has only what changed. */
export function keptObject(before: KeptObject | undefined, answer: GraphObject, kind: GraphKind): KeptObject {
  const fields: Record<string, unknown> = { ...before?.fields, '@odata.type': TYPES[kind] };
  for (const name of KEPT) if (Object.hasOwn(answer, name)) fields[name] = answer[name];
  if (Array.isArray(answer['assignedPlans'])) fields['assignedPlans'] = answer['assignedPlans'].filter(isOfExchange);
  const members = membersAfter(before?.members, answer['members@delta']);
  return { kind, fields, ...(members === undefined ? {} : { members }) };
}

/** A licence has fifty plans; those of Exchange tell whether there is a mailbox. */
function isOfExchange(plan: unknown): boolean {
  const { service } = (plan ?? {}) as { readonly service?: unknown };
  return typeof service === 'string' && service.toLowerCase() === 'exchange';
}

/** `members@delta`: who joined, and with `@removed` who left. */
function membersAfter(before: readonly string[] | undefined, delta: unknown): readonly string[] | undefined {
  if (!Array.isArray(delta)) return before;
  const members = new Set(before);
  for (const one of delta as readonly ({ readonly id?: unknown; readonly '@removed'?: unknown } | null)[]) {
    if (typeof one?.id !== 'string') continue;
    if (one['@removed'] === undefined) members.add(one.id);
    else members.delete(one.id);
  }
  return [...members];
}
