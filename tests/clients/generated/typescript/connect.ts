// Orders over Connect and gRPC-Web with the clients of connectrpc, whose messages protoc-gen-es has
// made from the contracts.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import * as node from '@connectrpc/connect-node';
import * as web from '@connectrpc/connect-web';
import { ErrorInfoSchema } from './generated/google/rpc/error_details_pb.js';
import { AuthService } from './generated/souk/auth/v1/auth_service_pb.js';
import { CatalogService } from './generated/souk/catalog/v1/catalog_service_pb.js';
import { OrdersService } from './generated/souk/orders/v1/orders_service_pb.js';

const { SOUK_URL: baseUrl = '', SOUK_EMAIL = '', SOUK_PASSWORD = '' } = process.env;

// those of connect-web are made for browsers: they call fetch
const transports: Record<string, Transport> = {
  'Connect, JSON': web.createConnectTransport({ baseUrl }),
  'Connect, binary': web.createConnectTransport({ baseUrl, useBinaryFormat: true }),
  'gRPC-Web': web.createGrpcWebTransport({ baseUrl }),
  'Connect, JSON, HTTP/2': node.createConnectTransport({ baseUrl, httpVersion: '2', useBinaryFormat: false }),
  'Connect, binary, HTTP/2': node.createConnectTransport({ baseUrl, httpVersion: '2' }),
  'gRPC-Web, HTTP/2': node.createGrpcWebTransport({ baseUrl, httpVersion: '2' }),
};

async function signIn(transport: Transport, username: string, password: string) {
  const auth = createClient(AuthService, transport);
  const { accessToken } = await auth.createToken({ grantType: 'password', username, password });
  return { authorization: `Bearer ${accessToken}` };
}

async function signUp(transport: Transport) {
  const email = `${randomUUID()}@example.com`;
  const password = randomUUID();
  const user = await createClient(AuthService, transport).register({ email, password, name: 'A client' });
  assert.equal(user.email, email);
  return signIn(transport, email, password);
}

async function places(transport: Transport) {
  const catalog = createClient(CatalogService, transport);
  const orders = createClient(OrdersService, transport);
  const admin = await signIn(transport, SOUK_EMAIL, SOUK_PASSWORD);
  const product = await catalog.createProduct(
    { sku: randomUUID(), name: 'Espresso cup', price: { value: '19.99' }, available: 3 },
    { headers: admin },
  );
  const list = await catalog.listProducts({ size: 100 });
  assert.deepEqual(list.data.find(({ id }) => id === product.id), product);

  const user = await signUp(transport);
  const order = { items: [{ productId: product.id, quantity: 2 }] };
  const once = { headers: { ...user, 'idempotency-key': randomUUID() } };
  const placed = await orders.createOrder(order, once);
  assert.equal(placed.total?.value, '39.98');

  let replayed: string | null = null;
  const onHeader = (headers: Headers) => { replayed = headers.get('idempotent-replayed'); };
  assert.deepEqual(await orders.createOrder(order, { ...once, onHeader }), placed);
  assert.equal(replayed, 'true');
  assert.deepEqual(await orders.getOrder({ id: placed.id }, { headers: user }), placed);

  const key = randomUUID();
  await assert.rejects(
    orders.createOrder(order, { headers: { ...user, 'idempotency-key': key } }),
    (error) => {
      assert(error instanceof ConnectError, `${error}`);
      const [info] = error.findDetails(ErrorInfoSchema);
      assert.deepEqual([error.code, info?.reason], [Code.FailedPrecondition, 'OUT_OF_STOCK']);
      assert.equal(info?.metadata['available'], '1');
      return true;
    },
  );
  return `${placed.id}: 2 × ${product.name} = ${placed.total?.value} ${placed.currency}`;
}

for (const [name, transport] of Object.entries(transports)) {
  console.log(`${name}: ${await places(transport)}`);
}
