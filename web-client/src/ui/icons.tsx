/** The few pictures the pages need, drawn here so that nothing has to be fetched. */

type Switchable = { off?: boolean };

function Svg({ children, size = 24 }: { children: React.ReactNode; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

const slash = <path d="M4 4l16 16" />;

export function MicIcon({ off = false }: Switchable) {
  return (
    <Svg>
      <rect x="9" y="3" width="6" height="11" rx="3" />
      <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
      {off && slash}
    </Svg>
  );
}

export function CameraIcon({ off = false }: Switchable) {
  return (
    <Svg>
      <rect x="3" y="6.5" width="12" height="11" rx="2.5" />
      <path d="M15 10.5l6-3v9l-6-3" />
      {off && slash}
    </Svg>
  );
}

export function ScreenIcon() {
  return (
    <Svg>
      <rect x="3" y="4.5" width="18" height="12" rx="2" />
      <path d="M12 13.500V8M9.300 10.200L12 7.500l2.700 2.700M8.500 20h7" />
    </Svg>
  );
}

export function HangUpIcon() {
  return (
    <Svg>
      <path d="M3 14c0-3 4-5.5 9-5.5s9 2.5 9 5.5v1.5c0 .8-.6 1.3-1.4 1.2l-3-.5a1.3 1.3 0 0 1-1.1-1.2l-.1-1.7a11 11 0 0 0-6.8 0l-.1 1.7A1.3 1.3 0 0 1 7.4 16.200l-3 .5A1.2 1.2 0 0 1 3 15.500z" />
    </Svg>
  );
}

export function ShieldIcon() {
  return (
    <Svg>
      <path d="M12 3l7.5 3v5.500c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.500V6z" />
      <path d="M8.8 12l2.3 2.3 4.3-4.5" />
    </Svg>
  );
}

export function CheckIcon() {
  return (
    <Svg>
      <path d="M5 12.500l4.5 4.500L19 7.5" />
    </Svg>
  );
}

export function CrossIcon() {
  return (
    <Svg>
      <path d="M6 6l12 12M18 6L6 18" />
    </Svg>
  );
}

export function EyeIcon() {
  return (
    <Svg>
      <path d="M2.5 12c2.500-4.500 5.700-6.500 9.500-6.500s7 2 9.500 6.500c-2.500 4.500-5.700 6.500-9.500 6.500s-7-2-9.500-6.500z" />
      <circle cx="12" cy="12" r="3" />
    </Svg>
  );
}

export function WarningIcon() {
  return (
    <Svg>
      <path d="M12 4l9 16H3zM12 10v4.500M12 17.200v.1" />
    </Svg>
  );
}

export function ChevronIcon({ up }: { up: boolean }) {
  return <Svg>{up ? <path d="M6 15l6-6 6 6" /> : <path d="M6 9l6 6 6-6" />}</Svg>;
}

export function LockIcon() {
  return (
    <Svg size={18}>
      <rect x="5" y="11" width="14" height="9" rx="2" />
      <path d="M8 11V8a4 4 0 0 1 8 0v3" />
    </Svg>
  );
}

export function PersonIcon() {
  return (
    <Svg size={40}>
      <circle cx="12" cy="8.5" r="4" />
      <path d="M4.5 20.500c.8-4 3.8-6 7.5-6s6.7 2 7.5 6" />
    </Svg>
  );
}

export function PlayIcon() {
  return (
    <Svg>
      <path d="M8 5.500v13l10.5-6.500z" fill="currentColor" />
    </Svg>
  );
}

export function PauseIcon() {
  return (
    <Svg>
      <path d="M8.5 6v12M15.5 6v12" strokeWidth="3" />
    </Svg>
  );
}

export function BrandMark() {
  return (
    <svg width="32" height="32" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" className="brand-mark-ground" />
      <path
        d="M8.5 11.500l5.7 10.500h3.600l5.7-10.5"
        fill="none"
        stroke="#fff"
        strokeWidth="2.8"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
      <circle cx="16" cy="9.5" r="2.4" fill="#e0bb76" />
    </svg>
  );
}
