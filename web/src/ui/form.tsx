// SPDX-License-Identifier: MIT
// Form fields with a label, a hint and the error that belongs to them.
import { useId, type InputHTMLAttributes, type ReactElement, type ReactNode } from "react";

interface FieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "onChange" | "value"> {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: ReactNode;
  error?: string | null | undefined;
}

export function Field({ label, value, onChange, hint, error, className, ...rest }: FieldProps): ReactElement {
  const id = useId();
  const note = error ?? hint;
  return (
    <div className={`flex flex-col gap-1 ${className ?? ""}`}>
      <label htmlFor={id} className="text-sm text-muted">{label}</label>
      <input
        id={id} className="field w-full" value={value} aria-invalid={error ? true : undefined}
        aria-describedby={note ? `${id}-note` : undefined} onChange={(event) => onChange(event.target.value)} {...rest}
      />
      {note !== undefined && note !== null && (
        <p id={`${id}-note`} className={`text-sm ${error ? "text-danger" : "text-muted"}`}>{note}</p>
      )}
    </div>
  );
}

export function Check({ label, checked, onChange, disabled }: {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
}): ReactElement {
  return (
    <label className="flex min-h-8 items-center gap-2">
      <input type="checkbox" className="size-4 accent-(--accent)" checked={checked} disabled={disabled}
        onChange={(event) => onChange(event.target.checked)} />
      {label}
    </label>
  );
}

export function Select<T extends string>({ label, value, choices, onChange, hideLabel }: {
  label: string;
  value: T;
  choices: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
  hideLabel?: boolean;
}): ReactElement {
  const id = useId();
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className={hideLabel ? "sr-only" : "text-sm text-muted"}>{label}</label>
      <select id={id} className="field pr-1" value={value}
        onChange={(event) => {
          const found = choices.find(([choice]) => choice === event.target.value);
          if (found) onChange(found[0]);
        }}>
        {choices.map(([choice, text]) => <option key={choice} value={choice}>{text}</option>)}
      </select>
    </div>
  );
}
