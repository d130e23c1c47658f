/** `GET /api/v1/openapi.json`: the description of the API, made from its routes. */
import { z } from 'zod';
import type { ApiRoute } from './api-route.ts';
import { problem } from './contract.ts';
import { uploaded, uploadQuery } from './directory-contract.ts';
import { ROUTES } from './routes.ts';

type Json = Record<string, unknown>;

export function describeApi(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of ROUTES) {
    const path = `/api/v1${route.path.replace(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  paths['/api/v1/uploads'] = { post: upload() };
  return {
    openapi: '3.1.0',
    info: { title: 'Bridgehead admin API', version, license: { name: 'Apache-2.0' } },
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    security: [{}, { token: [] }],
    paths,
  };
}

/** The one path whose body is a file. */
function upload(): Json {
  return {
    summary: 'Sends a file that another operation names in its `uploads`; it is read once, within an hour',
    operationId: 'postUploads',
    parameters: parametersOf(uploadQuery),
    requestBody: { required: true, content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } },
    responses: {
      200: { description: 'Done', content: json(schemaOf(uploaded, 'output')) },
      default: { description: 'Not done', content: json(schemaOf(problem, 'output')) },
    },
  };
}

function operation(route: ApiRoute): Json {
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = route.query === undefined ? [] : parametersOf(route.query);
  return {
    summary: route.summary,
    operationId: `${route.method.toLowerCase()}${route.path.replace(/[/:-]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    parameters: [...inPath, ...inQuery],
    ...(route.body !== undefined && { requestBody: { required: true, content: json(schemaOf(route.body, 'input')) } }),
    responses: {
      200: { description: 'Done', content: json(schemaOf(route.answer, 'output')) },
      default: { description: 'Not done', content: json(schemaOf(problem, 'output')) },
    },
  };
}

function parametersOf(query: z.ZodType): Json[] {
  const schema = schemaOf(query, 'input');
  const required = new Set((schema['required'] as string[] | undefined) ?? []);
  return Object.entries((schema['properties'] as Json | undefined) ?? {}).map(([name, one]) => ({
    name,
    in: 'query',
    required: required.has(name),
    schema: one,
  }));
}

function json(schema: Json): Json {
  return { 'application/json': { schema } };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  // Custom types (event records) have no schema of their own; their meta says what they are
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
  return rest;
}
