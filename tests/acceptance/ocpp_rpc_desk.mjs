// ocpp-rpc in strict mode: every message of either side is held against the official schemas, at once and both ways.
// node ocpp_rpc_desk.mjs FOLDER PROTOCOL PORT IDENTITY PASSWORD CARD
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, protocol] = process.argv.splice(2, 2);
const { RPCServer, createRPCError } = createRequire(join(folder, 'x.js'))('ocpp-rpc');
const { port, identity, secret, complaints, connected, answered, serve } = await import('./node_desk.mjs');

let station = null;
const server = new RPCServer({ protocols: [protocol], strictMode: true, maxBadMessages: 0, callTimeoutMs: 20000, pingIntervalMs: 2000 });
server.auth((accept, reject, handshake) => {
  if (handshake.identity !== identity || handshake.password?.toString() !== secret.password) {
    complaints.push(`a stranger: ${handshake.identity}`);
    reject(401, 'unknown');
  } else accept();
});
server.on('client', (client) => {
  station = client;
  connected(true);
  client.once('close', () => connected(false));
  client.once('disconnect', () => { if (station === client) station = null; });
  client.on('strictValidationFailure', ({ method, params, result, error, outbound }) => {
    if (!outbound) complaints.push(`${method} ${JSON.stringify(result ?? params)}: ${error.message}`);
  });
  client.on('badMessage', ({ buffer, error }) => complaints.push(`${error.message}: ${buffer}`));
  client.handle(({ method, params }) => {
    const answer = answered(protocol, method, params);
    if (answer === undefined) throw createRPCError('NotImplemented');
    return answer;
  });
});
await server.listen(Number(port), '127.0.0.1');
serve((action, payload) => {
  if (station === null) throw new Error('the station is not connected');
  return station.call(action, payload);
});
