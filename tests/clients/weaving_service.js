// The services of `weaving.proto`, with Node's gRPC library: each answers what it was asked, or the first
// message of what it was. Of a message that comes twice in a field which is not repeated, this runtime
// keeps the last, where those of Google would merge them.
//
//     NODE_PATH=target/ci/npm/node_modules node tests/clients/weaving_service.js contracts.binpb
//
// Prints its address.

'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

function echo(call, answer) {
  answer(null, call.request);
}

function echoFirst(call, answer) {
  let first = null;
  call.on('data', (message) => { first ??= message; });
  call.on('end', () => answer(null, first));
}

// the library's own parser does not know all of the language of contracts
const definition = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(process.argv[2]));
const server = new grpc.Server();
server.addService(definition['weaving.v1.Zoo'], {
  FindAnimals: echo,
  UpdateAnimal: echo,
  FeedAnimal: echo,
  FeedAnimals: echoFirst,
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    throw error;
  }
  console.log(`127.0.0.1:${port}`);
});
