// An operator's desk in front of a Node.js product: the book, the cards, and questions line by line on standard input.
// What a product does itself (sockets, frames, passwords, validation) stays the product's; this file knows none of them.
import { createInterface } from 'node:readline';

export const [port, identity, firstPassword, card] = process.argv.slice(2);
export const secret = { password: firstPassword };

const sent = []; // {action, payload}
export const complaints = [];
const connectors = {};
const books = new Map(); // by the station's own name of a transaction
let connections = 0;

export function connected(now) {
  connections += now ? 1 : -1;
}

const token = (tag) => ({ status: tag === card ? 'Accepted' : 'Invalid' });

function opened(name, row) {
  if (!books.has(name)) {
    books.set(name, { id: books.size + 1, meter_start: null, meter_stop: null, over: false, samples: 0, ...row });
  }
  return books.get(name);
}

const register = (values) => {
  const found = (values ?? []).flatMap((each) => each.sampledValue)
    .find((each) => (each.measurand ?? 'Energy.Active.Import.Register') === 'Energy.Active.Import.Register' && !each.phase);
  return found === undefined ? null : Number(found.value);
};

const v16 = {
  BootNotification: () => ({ status: 'Accepted', interval: 300, currentTime: new Date().toISOString() }),
  Heartbeat: () => ({ currentTime: new Date().toISOString() }),
  Authorize: ({ idTag }) => ({ idTagInfo: token(idTag) }),
  StatusNotification: ({ connectorId, status }) => { connectors[connectorId] = status; return {}; },
  StartTransaction: ({ idTag, connectorId, meterStart, timestamp }) => {
    const row = opened(`${connectorId} ${timestamp}`, { id_tag: idTag, meter_start: meterStart });
    return { transactionId: row.id, idTagInfo: token(idTag) };
  },
  StopTransaction: ({ transactionId, meterStop, idTag }) => {
    const row = [...books.values()].find((each) => each.id === transactionId);
    if (row === undefined) complaints.push(`StopTransaction of ${transactionId}, which was never started`);
    else Object.assign(row, { meter_stop: meterStop, over: true });
    return idTag === undefined ? {} : { idTagInfo: token(idTag) };
  },
  MeterValues: ({ transactionId, meterValue }) => {
    const row = [...books.values()].find((each) => each.id === transactionId);
    if (row !== undefined) row.samples += meterValue.length;
    else if (transactionId !== undefined) complaints.push(`MeterValues of ${transactionId}, which was never started`);
    return {};
  },
  DataTransfer: () => ({ status: 'UnknownVendorId' }),
  DiagnosticsStatusNotification: () => ({}),
  FirmwareStatusNotification: () => ({}),
  LogStatusNotification: () => ({}),
  SecurityEventNotification: () => ({}),
  SignCertificate: () => ({ status: 'Accepted' }),
  SignedFirmwareStatusNotification: () => ({}),
};

const v201 = {
  BootNotification: v16.BootNotification,
  Heartbeat: v16.Heartbeat,
  Authorize: ({ idToken }) => ({ idTokenInfo: token(idToken.idToken) }),
  StatusNotification: ({ evseId, connectorStatus }) => { connectors[evseId] = connectorStatus; return {}; },
  TransactionEvent: ({ eventType, transactionInfo, idToken, meterValue }) => {
    const row = opened(transactionInfo.transactionId, { id_tag: null });
    row.name = transactionInfo.transactionId;
    if (idToken !== undefined && row.id_tag === null) row.id_tag = idToken.idToken;
    if (meterValue !== undefined) row.samples += meterValue.length;
    const wh = register(meterValue);
    if (wh !== null && row.meter_start === null) row.meter_start = wh;
    if (wh !== null) row.meter_stop = wh;
    if (eventType === 'Ended') row.over = true;
    return idToken === undefined ? {} : { idTokenInfo: token(idToken.idToken) };
  },
  MeterValues: () => ({}),
  DataTransfer: v16.DataTransfer,
  NotifyReport: () => ({}),
  NotifyEvent: () => ({}),
  SecurityEventNotification: () => ({}),
  FirmwareStatusNotification: () => ({}),
  LogStatusNotification: () => ({}),
  ReservationStatusUpdate: () => ({}),
  SignCertificate: v16.SignCertificate,
};

const tables = { 'ocpp1.6': v16, 'ocpp2.0.1': v201 };

// What the back end answers to a CALL of the station; undefined: it knows no such action.
export function answered(protocol, action, payload) {
  sent.push({ action, payload });
  const rule = tables[protocol]?.[action];
  if (rule === undefined) complaints.push(`${action} is not known in ${protocol}`);
  return rule?.(payload);
}

// Serve questions; call(action, payload) sends a CALL and resolves to the answer or rejects.
export function serve(call) {
  const say = (what) => process.stdout.write(`@${JSON.stringify(what)}\n`);
  const answer = async (question) => {
    switch (question.do) {
      case 'call':
        try {
          return { status: 'completed', answer: await call(question.action, question.payload) };
        } catch (error) {
          return { status: 'refused', error: error.rpcErrorCode ?? error.name, text: error.message };
        }
      case 'transactions': return [...books.values()];
      case 'station': return { connected: connections > 0, connectors };
      case 'seen': return sent.filter((each) => each.action === question.action).map((each) => each.payload);
      case 'complaints': return complaints;
      case 'password': secret.password = question.password; return null;
      default: return { failed: `no such question: ${question.do}` };
    }
  };
  createInterface({ input: process.stdin }).on('line', async (line) => say(await answer(JSON.parse(line))))
    .on('close', () => process.exit(0));
  say('ready');
}
