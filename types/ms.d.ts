// `ms` ships no types behind its exports map, so the SDK's `Duration` would be `any` and '5 minuts' would compile.
declare module 'ms' {
  type Unit =
    | 'Years' | 'Year' | 'Yrs' | 'Yr' | 'Y'
    | 'Weeks' | 'Week' | 'W'
    | 'Days' | 'Day' | 'D'
    | 'Hours' | 'Hour' | 'Hrs' | 'Hr' | 'H'
    | 'Minutes' | 'Minute' | 'Mins' | 'Min' | 'M'
    | 'Seconds' | 'Second' | 'Secs' | 'Sec' | 's'
    | 'Milliseconds' | 'Millisecond' | 'Msecs' | 'Msec' | 'Ms';
  type UnitAnyCase = Unit | Uppercase<Unit> | Lowercase<Unit>;
  export type StringValue = `${number}` | `${number}${UnitAnyCase}` | `${number} ${UnitAnyCase}`;
}
