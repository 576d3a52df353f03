// Orders over REST with a client that openapi-typescript has made from /openapi.json.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import createClient from 'openapi-fetch';
import type { paths } from './generated/souk.js';

const { SOUK_URL = '', SOUK_EMAIL = '', SOUK_PASSWORD = '' } = process.env;

function shop(token?: string) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return createClient<paths>({ baseUrl: SOUK_URL, headers });
}

async function signIn(username: string, password: string) {
  const { data, error } = await shop().POST('/v1/auth/token', {
    body: { grant_type: 'password', username, password },
  });
  assert(data, JSON.stringify(error));
  return shop(data.access_token);
}

async function signUp() {
  const email = `${randomUUID()}@example.com`;
  const password = randomUUID();
  const { data, error } = await shop().POST('/v1/auth/register', {
    body: { email, password, name: 'A TypeScript client' },
  });
  assert.equal(data?.email, email, JSON.stringify(error));
  return signIn(email, password);
}

async function addProduct(admin: ReturnType<typeof shop>) {
  const sku = randomUUID();
  const body = { sku, name: 'Espresso cup', price: 19.99, available: 3 };
  const { data, error } = await admin.POST('/v1/products', { body });
  assert(data, JSON.stringify(error));
  return data;
}

const product = await addProduct(await signIn(SOUK_EMAIL, SOUK_PASSWORD));
const user = await signUp();

const { data: list } = await user.GET('/v1/products', { params: { query: { size: 100 } } });
assert.deepEqual(list?.data.find(({ id }) => id === product.id), product);

function placeOrder(quantity: number, key: string) {
  return user.POST('/v1/orders', {
    params: { header: { 'Idempotency-Key': key } },
    body: { items: [{ product_id: product.id, quantity }] },
    headers: { accept: 'application/json, application/problem+json' },
  });
}

const key = randomUUID();
const { data: order, error } = await placeOrder(2, key);
assert(order, JSON.stringify(error));
assert.equal(order.total, 39.98);

const { data: again, response } = await placeOrder(2, key);
assert.deepEqual(again, order);
assert.equal(response.headers.get('idempotent-replayed'), 'true');

const { data: read } = await user.GET('/v1/orders/{id}', { params: { path: { id: order.id } } });
assert.deepEqual(read, order);

// errors are one of two shapes, which the types tell apart
const { error: short } = await placeOrder(2, randomUUID());
assert(short && 'title' in short, JSON.stringify(short));
assert.deepEqual([short.status, short.code, short.metadata?.['available']], [409, 'OUT_OF_STOCK', '1']);
const { error: nothing } = await user.GET('/v1/products/{id}', { params: { path: { id: order.id } } });
assert(nothing && 'error' in nothing, JSON.stringify(nothing));
assert.equal(nothing.error.code, 'NOT_FOUND');

console.log(`${order.id}: 2 × ${product.name} = ${order.total} ${order.currency}`);
