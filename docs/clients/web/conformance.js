// Runs the cases of ../conformance against a machine: virtual time, no sockets, no requests.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const file = new URL('../conformance/cases.json', import.meta.url);
/** @type {{device: any, cases: any[]}} */
export const conformance = JSON.parse(readFileSync(file, 'utf8'));

/**
 * What the machine asks for, as the cases write it: the fields that another client can be held to.
 * @param {any} command
 */
function seen(command) {
  const { do: kind, call, ...fields } = command;
  if (!fields.keepalive) delete fields.keepalive;
  return { expect: kind, ...fields };
}

/**
 * One run of a case.
 * @param {new (options: any) => any} Machine
 * @param {any} one
 * @returns {any[]} the steps as they went: the case's own if it passes
 */
export function run(Machine, one) {
  const machine = new Machine({
    socket: one.transport === 'socket',
    ...conformance.device,
    random: () => one.random ?? 0.5,
  });
  /** @type {any[]} */
  const went = [];
  /** @type {number[]} */
  const asked = [];
  /** @type {number[]} */
  const posted = [];
  let lastSocket = 0;
  /** @param {number} now */
  const note = (now) => {
    for (const command of machine.take()) {
      if (command.do === 'token') asked.push(command.call);
      if (command.do === 'post') posted.push(command.call);
      if (command.do === 'open') lastSocket = command.socket;
      went.push({ at: now, ...seen(command) });
    }
  };
  let now = 0;
  for (const step of one.steps) {
    if (step.expect) continue;
    while (!step.asleep && machine.deadline !== null && machine.deadline <= step.at) {
      now = Math.max(now, machine.deadline);
      machine.wake(now);
      note(now);
    }
    now = step.at;
    went.push(step);
    give(machine, step, now, asked, posted, step.socket ?? lastSocket);
    note(now);
    while (machine.deadline !== null && machine.deadline <= now) {
      machine.wake(now);
      note(now);
    }
  }
  return went;
}

/**
 * @param {any} machine
 * @param {any} step
 * @param {number} now
 * @param {number[]} asked
 * @param {number[]} posted
 * @param {number} socket
 */
function give(machine, step, now, asked, posted, socket) {
  switch (step.given) {
    case 'start':
      return machine.start(now, step.user, step.state);
    case 'lifecycle':
      return machine.lifecycle(now, step.state);
    case 'show':
      return machine.show(now, step.screen);
    case 'network':
      return machine.network(now, step.online);
    case 'unload':
      return machine.unload(now);
    case 'log out':
      return machine.logOut(now);
    case 'token':
      return machine.token(now, asked.shift(), step.token);
    case 'answer':
      return machine.answer(
        now, posted.shift(), step.status, step.retry_after ?? 0, step.interval ?? 0,
      );
    case 'opened':
      return machine.opened(now, socket);
    case 'frame':
      return machine.frame(now, socket, step.frame);
    case 'closed':
      return machine.closed(now, socket, step.code ?? 0, step.reason ?? '');
    case 'time':
      return machine.wake(now);
    default:
      return assert.fail(`what is ${step.given}?`);
  }
}
