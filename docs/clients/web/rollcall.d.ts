/**
 * Tells a Rollcall server that its user is there: for browsers and for React Native.
 *
 * Two parts. {@link PresenceMachine} decides: events and times in, commands out, no clock, no
 * network, no timer of its own. {@link Presence} is what an app uses: it does what the machine says
 * with `fetch`, `WebSocket`, `setTimeout` and the events of a page. `../conformance` has the cases
 * that the machine passes; the Flutter client has the same machine in Dart.
 */
export type Command = {
    do: string;
    [field: string]: any;
};
export type MachineOptions = {
    /**
     * true: a WebSocket, and HTTP where that cannot be had. false: HTTP.
     */
    socket: boolean;
    deviceId: string;
    appVersion?: string | null;
    deviceInfo?: string | null;
    platform?: string | null;
    /**
     * in [0, 1)
     */
    random?: () => number;
};
/**
 * What a machine asks for. `do` is `token`, `post`, `open`, `send`, `close`, `stopped` or
 * `logged_out`; which other fields there are depends on it: see ../conformance/README.md.
 * @typedef {{do: string, [field: string]: any}} Command
 */
/**
 * What is known of the device from the beginning.
 * @typedef {object} MachineOptions
 * @property {boolean} socket true: a WebSocket, and HTTP where that cannot be had. false: HTTP.
 * @property {string} deviceId
 * @property {string | null} [appVersion]
 * @property {string | null} [deviceInfo]
 * @property {string | null} [platform]
 * @property {() => number} [random] in [0, 1)
 */
/**
 * The decisions of a client. Every method takes the time in milliseconds of a clock that never goes
 * back, and leaves commands that {@link PresenceMachine#take} gives. Call {@link
 * PresenceMachine#wake} when {@link PresenceMachine#deadline} has come.
 *
 * - `phase`: `idle`; `waiting` for the app to be shown; `active`; `stopped`.
 * - `place` of the app: `foreground`, `background`, or `elsewhere` (another tab speaks for it).
 * - `link`, the socket: `closed`, `token` (asked for), `opening`, `greeting` (until the welcome),
 *   `live`, `retry` (waits).
 * - `beat`, the heartbeat over HTTP: `rest`, `token`, `sent`, `retry`.
 */
export declare class PresenceMachine {
    _prefersSocket: boolean;
    _deviceId: string;
    _appVersion: string | null;
    _deviceInfo: string | null;
    _platform: string | null;
    _random: () => number;
    /** @type {Command[]} */
    _commands: Command[];
    _lastCall: number;
    _lastSocket: number;
    _lastFrame: number;
    _online: boolean;
    _intervalMs: number;
    /** Half of what the server takes of a foreground without a frame; 0: any time. */
    _stillMs: number;
    _phase: string;
    _place: string;
    _appState: string;
    /** @type {string | null} */
    _user: string | null;
    /** The token last used: a logout bears it. @type {string | null} */
    _token: string | null;
    /** @type {string | null} */
    _screen: string | null;
    /** What the server was told last on this way; null: nothing that counts. @type {string | null} */
    _toldPlace: string | null;
    /** @type {string | null} */
    _toldScreen: string | null;
    _toldAt: number;
    _failures: number;
    /** Tokens that were refused, one after the other. */
    _refusals: number;
    _link: string;
    _beat: string;
    _way: string;
    /** The call for a token or of a heartbeat that is under way. */
    _call: number;
    _renewal: number;
    _refreshed: boolean;
    /** Sockets in a row that did not come to a welcome. */
    _blocked: number;
    /** A heartbeat failed while it stood in for a socket: the network was away, not sockets. */
    _missed: boolean;
    _answered: number;
    /** What the server asked for before it restarted. @type {number | null} */
    _comeBackAfterMs: number | null;
    /** @type {number | null} */
    _beatAt: number | null;
    /** @type {number | null} */
    _linkAt: number | null;
    /** @type {number | null} */
    _answerBy: number | null;
    /** @type {number | null} */
    _repeatAt: number | null;
    /** @type {number | null} */
    _checkAt: number | null;
    /** @type {number | null} */
    _settleAt: number | null;
    /** @type {number | null} */
    _onlineAt: number | null;
    /** @type {number | null} */
    _socketAgainAt: number | null;
    /** A logout that is under way, or waits for its next try. @type {string | null} */
    _goodbyeToken: string | null;
    _goodbyeCall: number;
    _goodbyeTries: number;
    /** @type {number | null} */
    _goodbyeAt: number | null;
    /** @param {MachineOptions} options */
    constructor(options: MachineOptions);
    /** The commands since the last call, in order. @returns {Command[]} */
    take(): Command[];
    /** When `wake` wants to be called; null: not. @returns {number | null} */
    get deadline(): number | null;
    get running(): boolean;
    get hasUser(): boolean;
    get _connected(): boolean;
    /**
     * A user is logged in. `state` is the life-cycle state of the app: nothing is sent before it is
     * `resumed`, because a system may start an app that nobody looks at. Another user than before:
     * the one before is logged out.
     * @param {number} now
     * @param {string} user
     * @param {string | null} state
     */
    start(now: number, user: string, state: string | null): void;
    /**
     * `resumed` and `inactive` are the foreground; `elsewhere` is another tab's turn; every other
     * state is the background.
     * @param {number} now
     * @param {string | null} state
     */
    lifecycle(now: number, state: string | null): void;
    /**
     * A screen is shown.
     * @param {number} now
     * @param {string} screen
     */
    show(now: number, screen: string): void;
    /**
     * The device has a network, or has none.
     * @param {number} now
     * @param {boolean} online
     */
    network(now: number, online: boolean): void;
    /**
     * The page goes away, for good or into the browser's cache. `lifecycle` with `resumed` brings it
     * back.
     * @param {number} now
     */
    unload(now: number): void;
    /**
     * The user logs out, with the token that was used last. `logged_out` says how it went.
     * @param {number} now
     */
    logOut(now: number): void;
    /** The user has logged out in another tab, which has told the server. */
    forget(): void;
    /**
     * The answer to `token`; null: there is none now.
     * @param {number} now
     * @param {number} call
     * @param {string | null} token
     */
    token(now: number, call: number, token: string | null): void;
    /**
     * The answer to `post`; a status of 0: there was none within ten seconds.
     * @param {number} now
     * @param {number} call
     * @param {number} status
     * @param {number} retryAfterSeconds
     * @param {number} intervalSeconds of X-Heartbeat-Interval-Seconds; 0: not said
     */
    answer(now: number, call: number, status: number, retryAfterSeconds: number, intervalSeconds: number): void;
    /**
     * A socket is open.
     * @param {number} now
     * @param {number} socket
     */
    opened(now: number, socket: number): void;
    /**
     * A frame came.
     * @param {number} now
     * @param {number} socket
     * @param {{[field: string]: any}} frame
     */
    frame(now: number, socket: number, frame: {
        [field: string]: any;
    }): void;
    /**
     * A socket has ended; a code of 0: without one.
     * @param {number} now
     * @param {number} socket
     * @param {number} code
     * @param {string} reason
     */
    closed(now: number, socket: number, code: number, reason: string): void;
    /**
     * Time has passed.
     * @param {number} now
     */
    wake(now: number): void;
    /** The whole truth, so that a later message makes up for a lost one. */
    _state(): {
        [field: string]: any;
    };
    /** Tell what is news, if it is. @param {number} now */
    _report(now: number): void;
    /** Tell how things are on the way that is in use. @param {number} now */
    _tell(now: number): void;
    /** @param {number} now */
    _checkLater(now: number): void;
    /** @param {number} now */
    _told(now: number): void;
    /** @param {number} now */
    _backOnline(now: number): void;
    _startBeat(): void;
    /** @param {boolean} refresh */
    _askForBeat(refresh: boolean): void;
    /** @param {number} now */
    _postBeat(now: number): void;
    /**
     * @param {number} now
     * @param {number} retryAfterSeconds
     * @param {boolean} unheard no answer, or no token
     */
    _beatFailed(now: number, retryAfterSeconds: number, unheard: boolean): void;
    _rest(): void;
    _connect(): void;
    /**
     * @param {number} now
     * @param {{[field: string]: any}} frame
     */
    _send(now: number, frame: {
        [field: string]: any;
    }): void;
    /** @param {number} now */
    _noAnswer(now: number): void;
    /** Come back later, or over HTTP. @param {number} now */
    _linkFailed(now: number): void;
    /** We end it: it is dead, or not needed any more. */
    _hangUp(): void;
    _unlink(): void;
    /** HTTP stands in for the socket. @param {number} now */
    _fallBack(now: number): void;
    /** @param {number} now */
    _trySocketAgain(now: number): void;
    _begin(): void;
    /** Nothing under way, nothing due, nothing told. */
    _quiet(): void;
    _reset(): void;
    /** @param {string} reason */
    _stop(reason: string): void;
    /** @param {number} now */
    _sayGoodbye(now: number): void;
    _postGoodbye(): void;
    /** @param {boolean} refresh */
    _askForToken(refresh: boolean): number;
    _nextCall(): number;
    /**
     * Full jitter: any time up to a second, then up to two, four, … thirty seconds.
     * @param {number} failures
     */
    _backOff(failures: number): number;
    /** @param {number} limitMs */
    _upTo(limitMs: number): number;
    /**
     * @param {string} kind
     * @param {{[field: string]: any}} fields
     */
    _command(kind: string, fields: {
        [field: string]: any;
    }): void;
}
export type TokenSource = (ask: {
    user: string;
    refresh: boolean;
}) => Promise<string | null> | string | null;
export type Surroundings = {
    /**
     * the life-cycle state now, as `PresenceMachine` knows them
     */
    state: () => string | null;
    /**
     * begins to tell; gives what ends it
     */
    watch: (app: Heard) => () => void;
    /**
     * the user does something here
     */
    used?: () => void;
    /**
     * tell the other tabs
     */
    loggedOut?: (user: string) => void;
};
export type Heard = {
    lifecycle: (state: string) => void;
    network: (online: boolean) => void;
    unload: () => void;
    /**
     * in another tab
     */
    loggedOut: (user: string) => void;
};
export type PresenceOptions = {
    /**
     * such as https://presence.example.com/api, without a slash at the end
     */
    baseUrl: string;
    token: TokenSource;
    /**
     * of this installation, the same at every start: see `installationId`
     */
    deviceId: string;
    /**
     * `http` unless said otherwise
     */
    transport?: 'http' | 'socket';
    appVersion?: string;
    /**
     * as people should read it
     */
    deviceInfo?: string;
    platform?: string;
    /**
     * a browser's unless said otherwise
     */
    surroundings?: Surroundings;
    /**
     * presence ended by itself: log in again
     */
    onStopped?: (reason: string) => void;
};
/**
 * Gives the user's token, or null if there is none now. `refresh`: the last was refused or ends, ask
 * for a new one.
 * @typedef {(ask: {user: string, refresh: boolean}) => Promise<string | null> | string | null}
 *   TokenSource
 */
/**
 * What {@link Presence} hears of the app: `browserSurroundings()` or `reactNativeSurroundings(…)`.
 * @typedef {object} Surroundings
 * @property {() => string | null} state the life-cycle state now, as `PresenceMachine` knows them
 * @property {(app: Heard) => () => void} watch begins to tell; gives what ends it
 * @property {() => void} [used] the user does something here
 * @property {(user: string) => void} [loggedOut] tell the other tabs
 */
/**
 * What surroundings tell.
 * @typedef {object} Heard
 * @property {(state: string) => void} lifecycle
 * @property {(online: boolean) => void} network
 * @property {() => void} unload
 * @property {(user: string) => void} loggedOut in another tab
 */
/**
 * @typedef {object} PresenceOptions
 * @property {string} baseUrl such as https://presence.example.com/api, without a slash at the end
 * @property {TokenSource} token
 * @property {string} deviceId of this installation, the same at every start: see `installationId`
 * @property {'http' | 'socket'} [transport] `http` unless said otherwise
 * @property {string} [appVersion]
 * @property {string} [deviceInfo] as people should read it
 * @property {string} [platform]
 * @property {Surroundings} [surroundings] a browser's unless said otherwise
 * @property {(reason: string) => void} [onStopped] presence ended by itself: log in again
 */
/** What an app uses: one for the life of the app. */
export declare class Presence {
    _options: PresenceOptions;
    _surroundings: Surroundings;
    _machine: PresenceMachine;
    _clock: () => number;
    /** @type {WebSocket | null} */
    _socket: WebSocket | null;
    /** @type {any} */
    _timer: any;
    /** @type {(() => void) | null} */
    _unwatch: (() => void) | null;
    /** @type {string | null} */
    _user: string | null;
    /** @type {((told: boolean) => void)[]} */
    _loggingOut: ((told: boolean) => void)[];
    /** @param {PresenceOptions} options */
    constructor(options: PresenceOptions);
    /**
     * A user is logged in. Call it at every start of the app and after each login; a user who was
     * there before is logged out.
     * @param {string} user any text that is this user's alone; it is not sent
     */
    start(user: string): void;
    /**
     * A screen is shown: a name of the app's own, not a path with ids in it.
     * @param {string} screen
     */
    show(screen: string): void;
    /**
     * The user logs out. True: the server has it. It uses the token that was sent last, so that the
     * app may drop its own at once.
     * @returns {Promise<boolean>}
     */
    logOut(): Promise<boolean>;
    /** Ends it without a word, as an app that is closed. */
    close(): void;
    /** A tab in which nobody is logged in must not take its turn. */
    _unheard(): void;
    /**
     * How many users are online; null where that is not known well enough.
     * @returns {Promise<number | null>}
     */
    onlineUsersCount(): Promise<number | null>;
    /**
     * The switch of the app's settings: whether the user who is logged in is counted and shown. True:
     * the server has it. Off erases what is stored of them; heartbeats may go on, and count for nothing.
     * @param {boolean} enabled
     * @returns {Promise<boolean>}
     */
    setTracking(enabled: boolean): Promise<boolean>;
    /**
     * What the switch shows; null where the server did not say.
     * @returns {Promise<boolean | null>}
     */
    tracking(): Promise<boolean | null>;
    /**
     * @param {string} method
     * @param {string | null} body
     * @returns {Promise<Response | null>}
     */
    _tracking(method: string, body: string | null): Promise<Response | null>;
    /** @param {(now: number) => void} happens */
    _do(happens: (now: number) => void): void;
    /** @param {Command} command */
    _carryOut(command: Command): void;
    /** @param {Command} command */
    _fetchToken({ call, user, refresh }: Command): Promise<void>;
    /** @param {Command} command */
    _post({ call, path, token, body, keepalive }: Command): Promise<void>;
    /** @param {number} number */
    _open(number: number): void;
    _close(): void;
}
/**
 * The id of this installation, made at the first call and kept.
 * @param {{getItem(key: string): string | null, setItem(key: string, value: string): void}}
 *   [storage] `localStorage` unless said otherwise
 */
export declare function installationId(storage?: {
    getItem(key: string): string | null;
    setItem(key: string, value: string): void;
}): string;
/**
 * A page: whether it is seen, has a network, goes away; and which of several tabs speaks.
 *
 * Tabs share their installation's id, so they are one device, and only one may speak for it: the
 * one that was looked at last. It says so (`lead`), and the one before falls silent. One that is
 * hidden says `leave` and waits a moment: when a tab is switched nothing goes to the background.
 * @param {{channel?: string}} [options]
 * @returns {Surroundings}
 */
export declare function browserSurroundings({ channel: name }?: {
    channel?: string;
}): Surroundings;
/**
 * A React Native app: `reactNativeSurroundings({ AppState })`, and where you have a library that
 * knows of the network, `{ AppState, network: (tell) => NetInfo.addEventListener((state) =>
 * tell(state.isConnected !== false)) }`.
 * @param {object} options
 * @param {{currentState: string | null, addEventListener(event: 'change', listener: (state: string)
 *   => void): {remove(): void}}} options.AppState
 * @param {(tell: (online: boolean) => void) => () => void} [options.network]
 * @returns {Surroundings}
 */
export declare function reactNativeSurroundings({ AppState, network }: {
    AppState: {
        currentState: string | null;
        addEventListener(event: 'change', listener: (state: string) => void): {
            remove(): void;
        };
    };
    network?: (tell: (online: boolean) => void) => () => void;
}): Surroundings;
