// Imports rows with Node's gRPC library, which sends each in a frame of its own.
//
//     buf build -o contracts.binpb
//     NODE_PATH=target/ci/npm/node_modules SOUK_TOKEN=… node tests/clients/import_client.js \
//       contracts.binpb 127.0.0.1:50051 PREFIX ROWS STREAMS

'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

/** Sends rows as fast as the library takes them; answers the report. */
function importRows(client, metadata, prefix, rows) {
  return new Promise((resolve, reject) => {
    const call = client.ImportProducts(metadata, (error, report) =>
      error ? reject(error) : resolve(report));
    let line = 0;
    const write = () => {
      while (line < rows) {
        line += 1;
        const row = { line, sku: `${prefix}-${line}`, name: 'from Node', price: { value: '1.00' } };
        if (!call.write(row)) {
          call.once('drain', write);
          return;
        }
      }
      call.end();
    };
    write();
  });
}

async function main(contracts, address, prefix, rows, streams) {
  // the library's own parser does not know all of the language of contracts
  const definition = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(contracts), {
    keepCase: true,
    defaults: true,
  });
  const { CatalogService } = grpc.loadPackageDefinition(definition).souk.catalog.v1;
  const client = new CatalogService(address, grpc.credentials.createInsecure());
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${process.env.SOUK_TOKEN}`);
  const imports = Array.from({ length: Number(streams) }, (_, stream) =>
    importRows(client, metadata, `${prefix}-${stream}`, Number(rows)));
  for (const report of await Promise.all(imports)) {
    if (report.created !== Number(rows) || report.rejected !== 0) {
      throw new Error(`not all ${rows} rows were imported: ${JSON.stringify(report)}`);
    }
  }
  client.close();
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
