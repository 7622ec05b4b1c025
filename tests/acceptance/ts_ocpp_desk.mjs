// ts-ocpp's CentralSystem, which refuses what its schemas refuse.
// node ts_ocpp_desk.mjs FOLDER PORT IDENTITY PASSWORD CARD
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder] = process.argv.splice(2, 1);
const { CentralSystem } = createRequire(join(folder, 'x.js'))('@voltbras/ts-ocpp');
const { port, identity, complaints, connected, answered, serve } = await import('./node_desk.mjs');

const ocppVersion = 'v1.6-json';
const system = new CentralSystem(Number(port), (request) => {
  const { action, ocppVersion: _, ...payload } = request;
  const answer = answered('ocpp1.6', action, payload);
  if (answer === undefined) throw new Error(`no such action: ${action}`);
  return { action, ocppVersion, ...answer };
}, {
  host: '127.0.0.1',
  onWebsocketRequestResponse: (initiator, type, data) => {
    if (initiator === 'chargepoint' && type === 'response' && data.errorCode) complaints.push(data.errorDescription);
  },
  onWebsocketError: (error) => complaints.push(error.message),
});
system.addConnectionListener((name, status) => connected(status === 'connected'));
serve(async (action, payload) => {
  const answer = await system.sendRequest({ ocppVersion, chargePointId: identity, action, payload });
  return answer.unsafeCoerce();
});
